-- Revenue by country, with how many orders were small ones.
-- model:
-- key = ["country"]
-- tests = ["unique(country)", "revenue >= 0"]
SELECT
    countries.name AS country,
    count(*) AS orders,
    count(*) FILTER (WHERE amount < getvariable('small_order')) AS small_orders,
    sum(amount) AS revenue    -- in the currency of the shop
FROM staging.orders
JOIN raw.customers USING (customer_id)
JOIN ref.countries ON countries.code = customers.country
GROUP BY countries.name
