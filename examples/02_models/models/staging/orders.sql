-- Orders with proper types.
-- model:
-- key = ["order_id"]
-- tests = ["unique(order_id)", "not_null(customer_id, amount)"]
SELECT
    order_id,
    customer_id,
    ordered_on::DATE AS order_date,
    amount::DECIMAL(12, 2) AS amount
FROM raw.orders
