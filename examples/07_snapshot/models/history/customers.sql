-- Every version of every customer.
-- model:
-- kind = "snapshot"
-- key = ["id"]
SELECT id, name, city FROM raw.customers
