-- The best customer of each country.
WITH spending AS (
    SELECT customers.country, customers.name, sum(amount) AS spent
    FROM staging.orders
    JOIN raw.customers USING (customer_id)
    GROUP BY customers.country, customers.name
)
SELECT country, name, spent
FROM spending
QUALIFY row_number() OVER (PARTITION BY country ORDER BY spent DESC, name) = 1
