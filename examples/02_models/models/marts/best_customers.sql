-- The best customer of each country.
SELECT country, name, spent
FROM (
    SELECT
        customers.country,
        customers.name,
        sum(amount) AS spent,
        row_number() OVER (PARTITION BY customers.country ORDER BY sum(amount) DESC, name) AS place
    FROM staging.orders
    JOIN raw.customers USING (customer_id)
    GROUP BY ALL
)
WHERE place = 1
