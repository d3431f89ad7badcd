SELECT (SELECT count(*) FROM staging.orders) AS orders, sum(orders) AS counted
FROM marts.revenue_by_country
HAVING orders <> counted
