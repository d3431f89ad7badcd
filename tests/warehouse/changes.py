"""Changes to the source tables, step by step, as plain DuckDB statements.

`changes(seed, step, kind, scale)` gives the statements of one step: INSERT, UPDATE, DELETE, MERGE
only, in the order to run them. A statement touches a handful of rows, picked by md5 of the key, so
a step needs to know nothing of the data and works after any other step. Kinds:

    append_recent    new rows at the end of time in nearly every table; nothing but inserts
    append_late      new rows inside the past (late orders, clicks in an old visit, old rates)
    update_dim       customers, products, price list, campaigns, employees, rates, contacts
    update_fact      orders, lines, payments, refunds, events, touches, subscriptions
    delete_fact      rows of the facts vanish, some leave orphans behind
    duplicates       even step: exact copies of rows come in; odd step: one of two copies goes
    nulls            even step: keys and measures become NULL; odd step: they get their values back
    mixed            all of the above at once, also rows that come and go within the step
    nothing          statements that change no row, or write what was there, or undo each other
    empty_then_fill  even step: a table is emptied; odd step: it is filled as on the first day, and
                     a small table is emptied and filled within the step

Kept by every step: rows that share a table's key (see schema.sql) are equal in all columns; the
trees (manager_id, referred_by) have no cycle. Keys of new rows start at 10,000,000. Kinds and steps
come in any order, but keep to one seed per database and run a (kind, step) pair once.
"""

from warehouse.fill import (
    Values,
    customer_of_order,
    fill_sql,
    order_ts,
    product_of_item,
    quantity_of_item,
    refund_amount,
    sizes,
)  # fmt: skip

KINDS = (
    "append_recent", "append_late", "update_dim", "update_fact", "delete_fact", "duplicates",
    "nulls", "mixed", "nothing", "empty_then_fill",
)  # fmt: skip
KEYS = {
    "customers": "customer_id", "crm_contacts": "lsn", "products": "product_id",
    "product_prices": "product_id || '/' || valid_from", "orders": "order_id",
    "order_items": "order_id || '/' || line_no", "payments": "payment_id", "refunds": "refund_id",
    "events": "event_id", "subscriptions": "subscription_id", "campaigns": "campaign_id",
    "touches": "touch_id", "employees": "employee_id", "fx_rates": "currency || '/' || rate_date",
}  # fmt: skip
EMPTIED = (
    "refunds", "touches", "fx_rates", "subscriptions", "payments", "campaigns", "events", "products",
    "order_items", "customers", "employees", "product_prices", "crm_contacts", "orders",
)  # fmt: skip


class Step:
    """The statements of one step; `part` keeps the picks of several parts of a step apart."""

    def __init__(self, seed: int, step: int, part: str, scale: float) -> None:
        self.seed, self.step, self.part, self.scale = seed, step, part, scale
        self.n = sizes(scale)
        self.base = Values(seed)
        self.v = Values(f"{seed}:{part}:{step}")
        self.first_id = 10_000_000 + KINDS.index(part) * 1_000_000 + step * 1000

    def some(self, table: str, n: int, key: str | None = None, step: int | None = None) -> str:
        """A predicate that holds for about one row in n of the table."""
        step = self.step if step is None else step
        return f"{Values(f'{self.seed}:{self.part}:{step}').u(table, n, key or KEYS[table])} = 0"

    def ids(self, count: int) -> str:
        return f"range({self.first_id}, {self.first_id + count}) r(i)"


def changes(seed: int, step: int, kind: str, scale: float = 1) -> list[str]:
    """Give the statements of one step of a kind of change."""
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    return [" ".join(s.split()) for s in globals()[f"_{kind}"](Step(seed, step, kind, scale))]


def _insert_orders(s: Step, count: int, ts: str) -> list[str]:
    """New orders with lines and payments; `ts` is the time of order i."""
    v = s.v
    line = "i || '/' || line"
    known = f"CASE WHEN {v.u('guest', 12)} > 0 THEN 1 + {v.skewed('who', s.n['customers'])} END"
    return [
        f"""INSERT INTO raw.orders SELECT i, {known}, {ts},
            {v.pick("status", ["placed", "paid", "delivered", "shipped", "Cancelled", "returned"])},
            {v.pick("channel", ["web", "app", "store", None])}, {v.pick("cur", ["USD", "EUR", "GBP", None])},
            {v.u("fee", 5)} * 2.5, {v.pick("code", [None, None, "SUMMER", "Welcome10"])},
            CASE WHEN {v.u("rep", 2)} = 0 THEN 1 + {v.u("rep.id", s.n["employees"])} END,
            {v.pick("country", ["US", "DE", "FR", "BR", None])},
            {v.pick("note", [None, "ref=AB-0042;gift=yes", "ref=QX-7", ""])},
            {ts} + INTERVAL 1 HOUR FROM {s.ids(count)}""",
        f"""INSERT INTO raw.order_items
            SELECT i, line, CASE WHEN {v.u("lost", 40, line)} > 0 THEN 1 + {v.skewed("p", s.n["products"], line)} END,
            1 + {v.u("qty", 3, line)}, CAST(500 + {v.u("price", 20000, line)} AS DECIMAL(12,0)) * 0.01,
            CASE WHEN {v.u("disc", 3, line)} = 0 THEN 0.15 END, false
            FROM {s.ids(count)}, range(1, 4) l(line) WHERE line <= 1 + {v.u("lines", 3)}""",
        f"""INSERT INTO raw.payments BY NAME
            SELECT i AS payment_id, i AS order_id, {v.pick("method", ["card", "paypal", "invoice"])} AS method,
            'captured' AS status, sum(quantity * unit_price) AS amount, 'USD' AS currency,
            any_value({ts}) + INTERVAL 90 MINUTE AS paid_at, 1.25 AS processor_fee,
            'STRIPE:ch_' || i || ':visa-1111' AS processor_ref
            FROM raw.order_items JOIN {s.ids(count)} ON order_id = i
            WHERE {v.u("unpaid", 8)} > 0 GROUP BY i""",
    ]  # fmt: skip


def _insert_clicks(s: Step, visits: int, started: str) -> list[str]:
    """New visits of known visitors with four events each, and touches before them."""
    v = s.v
    visitor = f"(1 + {v.skewed('visitor', s.n['visitors'])})"
    product = f"(1 + {v.skewed('clicked', s.n['products'])})"
    return [
        f"""INSERT INTO raw.events
            SELECT 4 * i + e, 'a' || {visitor},
            CASE WHEN {visitor} % 5 < 2 AND e > 0 THEN 1 + {visitor} * 7919 % {s.n["customers"]} END,
            (['page_view', 'product_view', 'add_to_cart', 'purchase'])[e + 1],
            {started} + to_seconds(e * 70),
            CASE e WHEN 0 THEN '/?utm_source=Meta&utm_campaign=' || {v.u("camp", 12)} WHEN 1 THEN '/p/' || {product} END,
            {v.pick("plat", ["web", "ios", "android"])},
            '{{"value": 20, "dev": {{"os": "ios"}}, "cart": [{{"sku": "SKU-00002", "qty": 2}}]}}',
            CASE WHEN e > 1 THEN [{{'product_id': {product}, 'qty': 2, 'price': 9.99}}] END,
            {{'name': 'checkout_v2', 'variant': CASE WHEN {visitor} % 2 = 0 THEN 'A' ELSE 'B' END}}
            FROM {s.ids(visits)}, range(4) t(e)""",
        f"""INSERT INTO raw.touches
            SELECT i, CASE WHEN i % 3 > 0 THEN 1 + {visitor} * 7919 % {s.n["customers"]} END,
            'User' || (1 + {visitor} * 7919 % {s.n["customers"]}) || '@example.com',
            1 + {v.u("which", s.n["campaigns"])}, {v.pick("ch", ["email", "meta", None])},
            {started} - INTERVAL 2 DAY, 0.5 FROM {s.ids(visits)}""",
    ]  # fmt: skip


def _append_recent(s: Step) -> list[str]:
    v = s.v
    day = f"DATE '2025-07-01' + {s.step}"
    ts = f"TIMESTAMP '2025-07-01' + to_seconds({s.step} * 86400 + {v.u('ts', 86000)})"
    return [
        f"""INSERT INTO raw.customers SELECT i, 'New' || i || '@Example.com', 'Kim New #' || i,
            {v.pick("country", ["US", "de", "FR"])}, 'consumer', true, 1 + {v.u("by", 50)}, 500, ['vip', 'beta'],
            {{'street': '1 New St', 'city': 'Berlin', 'zip': '10115'}}, {ts}, {ts} FROM {s.ids(3)}""",
        *_insert_orders(s, 20, ts),
        # The first orders of the new customers.
        f"""INSERT INTO raw.orders SELECT i, i - 900, {ts}, 'paid', 'app', 'EUR', 0, 'WELCOME10', NULL, 'DE', NULL, {ts}
            FROM range({s.first_id + 900}, {s.first_id + 902}) r(i)""",
        *_insert_clicks(s, 10, ts),
        f"""INSERT INTO raw.refunds SELECT DISTINCT {s.first_id}000000 + order_id, order_id, 1, 5.25, 'late',
            CAST({day} AS DATE) FROM raw.orders WHERE order_id < 10000000 AND {s.some("orders", 9000)}""",
        f"""INSERT INTO raw.subscriptions SELECT i, 1 + {v.u("sub", s.n["customers"])}, 'pro', 49, false,
            CAST({day} AS DATE), NULL, NULL FROM {s.ids(4)}""",
        f"""INSERT INTO raw.crm_contacts SELECT i, 'C-' || (1 + {v.u("contact", 30)}), 'U',
            '{{"email": "new' || i || '@example.com", "name": "N", "phone": "12", "score": 3, "interests": ["rugs"]}}',
            {ts} FROM {s.ids(5)}""",
        f"""INSERT INTO raw.fx_rates SELECT c, CAST({day} AS DATE), r * 1.01
            FROM (VALUES ('EUR', 1.08), ('GBP', 1.27), ('BRL', 0.19)) t(c, r) WHERE NOT EXISTS
            (FROM raw.fx_rates f WHERE f.currency = c AND f.rate_date = {day})""",
        f"INSERT INTO raw.employees VALUES ({s.first_id}, 3, 'New Hire', 'Sales', 41000, CAST({day} AS DATE), NULL)",
        f"""INSERT INTO raw.products SELECT i, 'SKU-' || i, 'New ' || i, 'Home > Garden', 'Lumo', 15.5, 7.25, 0.4,
            {{'color': 'red', 'size': NULL, 'materials': ['wood']}}, true, CAST({day} AS DATE) FROM {s.ids(1)}""",
        f"INSERT INTO raw.product_prices SELECT i, 14.5, CAST({day} AS DATE), NULL FROM {s.ids(1)}",
        f"""INSERT INTO raw.order_items SELECT {s.first_id} + 900, 1, i, 2, 14.5, NULL, NULL FROM {s.ids(1)}""",
        f"""INSERT INTO raw.campaigns SELECT i, 'Flash ' || i, 'meta', 300, CAST({day} AS DATE), NULL, ['vip']
            FROM {s.ids(1)}""",
    ]  # fmt: skip


def _append_late(s: Step) -> list[str]:
    v = s.v
    past = f"TIMESTAMP '2024-02-01' + to_seconds({v.u('past', 450 * 86400)})"
    return [
        *_insert_orders(s, 15, past),
        *_insert_clicks(s, 8, past),
        # A click in the middle of old visits.
        f"""INSERT INTO raw.events BY NAME
            SELECT {s.first_id}000000 + event_id AS event_id, anonymous_id, customer_id,
            'add_to_cart' AS event_name, event_ts + INTERVAL 90 SECOND AS event_ts, platform,
            [{{'product_id': 3, 'qty': 1, 'price': 10.00}}] AS items
            FROM (SELECT DISTINCT ON (event_id) * FROM raw.events
                WHERE event_id < 10000000 AND {s.some("events", 4000)} ORDER BY event_id)""",
        f"""INSERT INTO raw.payments SELECT {s.first_id}000000 + order_id, order_id,
            'paypal', 'captured', 12.5, 'EUR', order_ts + INTERVAL 3 DAY, NULL, 'PAYPAL:PAY-late'
            FROM (SELECT DISTINCT order_id, order_ts FROM raw.orders WHERE order_id < 10000000 AND {s.some("orders", 3000)})""",
        f"""INSERT INTO raw.refunds SELECT {s.first_id}000000 + order_id, order_id, NULL, 9.99,
            'damaged', CAST(order_ts AS DATE) + 10
            FROM (SELECT DISTINCT order_id, order_ts FROM raw.orders
                WHERE order_id < 10000000 AND {s.some("orders", 3500, "'r' || order_id")})""",
        f"""INSERT INTO raw.subscriptions SELECT i, 1 + {v.u("sub", s.n["customers"])}, 'team', 99, false,
            DATE '2024-03-01' + CAST({v.u("from", 300)} AS INTEGER), DATE '2025-02-01', 'moved' FROM {s.ids(3)}""",
        f"""MERGE INTO raw.fx_rates AS f
            USING (SELECT 'EUR' AS currency, DATE '2024-01-06' + 7 * {s.step} AS rate_date, 1.077 AS usd_rate) AS n
            ON f.currency = n.currency AND f.rate_date = n.rate_date
            WHEN MATCHED THEN UPDATE SET usd_rate = n.usd_rate + 0.01
            WHEN NOT MATCHED THEN INSERT (currency, rate_date, usd_rate) VALUES (n.currency, n.rate_date, n.usd_rate)""",
        f"""INSERT INTO raw.crm_contacts SELECT i, 'C-' || (1 + {v.u("contact", 60)}), {v.pick("op", ["U", "D"])},
            '{{"email": "late' || i || '@example.com", "score": 55, "interests": ["pans"]}}', {past} FROM {s.ids(4)}""",
        f"""INSERT INTO raw.customers SELECT i, 'late' || i || '@mail.test', 'Late Lou #' || i, 'NL', 'smb', NULL,
            1 + {v.u("by", 40)}, NULL, NULL, NULL, {past}, {past} FROM {s.ids(2)}""",
        f"""INSERT INTO raw.employees SELECT i, 2 + {v.u("boss", 12)}, 'Late Entry ' || i, 'Support', 39000,
            DATE '2019-05-01', NULL FROM {s.ids(1)}""",
        f"""INSERT INTO raw.products SELECT i, 'SKU-' || i, 'Old stock ' || i, 'Toys', 'Kiro', 22.5, NULL, NULL, NULL,
            NULL, DATE '2022-03-03' FROM {s.ids(1)}""",
    ]  # fmt: skip


def _update_dim(s: Step) -> list[str]:
    v = s.v
    day = f"DATE '2025-05-01' + {s.step}"
    return [
        f"""UPDATE raw.customers SET country = {v.pick("country", ["US", "FR", "de", None], "customer_id")},
            segment = {v.pick("segment", ["smb", "enterprise", "consumer"], "customer_id")},
            tags = ['vip'], updated_at = TIMESTAMP '2025-07-01' + to_hours({s.step}) WHERE {s.some("customers", 150)}""",
        f"""UPDATE raw.customers SET email = upper(trim(email)), marketing_opt_in = NOT marketing_opt_in,
            referred_by = CASE WHEN customer_id > 10 THEN {v.u("by", 9, "customer_id")} + 1 END,
            credit_limit = coalesce(credit_limit, 0) + 50 WHERE {s.some("customers", 300, "'e' || customer_id")}""",
        f"""UPDATE raw.products SET category_path = {v.pick("cat", ["Toys", "Home > Garden", None], "product_id")},
            list_price = list_price + 1.5, unit_cost = coalesce(unit_cost, 4), is_active = product_id % 4 > 0
            WHERE {s.some("products", 60)}""",
        f"""UPDATE raw.products SET brand = 'Lumo', weight_kg = coalesce(weight_kg, 0.5) * 2,
            attributes = {{'color': 'green', 'size': 'M', 'materials': ['cork']}}
            WHERE {s.some("products", 80, "'b' || product_id")}""",
        # A new price from a day on: close the open row, add the next one.
        f"""UPDATE raw.product_prices SET valid_to = CAST({day} AS DATE)
            WHERE valid_to IS NULL AND valid_from < {day} AND {s.some("product_prices", 40, "product_id")}""",
        f"""INSERT INTO raw.product_prices SELECT DISTINCT product_id, price + 2, valid_to, NULL FROM raw.product_prices p
            WHERE valid_to = {day} AND {s.some("product_prices", 40, "product_id")} AND NOT EXISTS
            (FROM raw.product_prices n WHERE n.product_id = p.product_id AND n.valid_from >= p.valid_to)""",
        f"""UPDATE raw.campaigns SET name = name || '!', budget = coalesce(budget, 0) + 100,
            channel = {v.pick("ch", ["meta", "email"], "campaign_id")} WHERE {s.some("campaigns", 12)}""",
        f"""UPDATE raw.employees SET salary = salary * 1.05, department = {v.pick("dept", ["Sales", "Finance"], "employee_id")}
            WHERE {s.some("employees", 25)}""",
        f"""UPDATE raw.employees SET manager_id = 1 + {v.u("boss", 3, "employee_id")}
            WHERE employee_id > 4 AND {s.some("employees", 30, "'m' || employee_id")}""",
        f"UPDATE raw.fx_rates SET usd_rate = usd_rate + 0.0125 WHERE {s.some('fx_rates', 200)}",
        f"""UPDATE raw.crm_contacts SET payload = replace(payload, '"name": "Contact', '"name": "Kontakt'), op = 'U'
            WHERE {s.some("crm_contacts", 400)}""",
        f"""UPDATE raw.subscriptions SET plan = 'pro', mrr = mrr + 10 WHERE valid_to IS NULL
            AND {s.some("subscriptions", 120)}""",
    ]  # fmt: skip


def _update_fact(s: Step) -> list[str]:
    v = s.v
    return [
        f"""UPDATE raw.orders SET status = CASE WHEN status = 'delivered' THEN 'returned' ELSE 'delivered' END,
            shipping_fee = coalesce(shipping_fee, 0) + 1, updated_at = updated_at + INTERVAL 1 DAY
            WHERE {s.some("orders", 700)}""",
        # Orders move to another customer, another day, another currency.
        f"""UPDATE raw.orders SET customer_id = 1 + {v.u("who", s.n["customers"], "order_id")}
            WHERE {s.some("orders", 1000, "'c' || order_id")}""",
        f"""UPDATE raw.orders SET order_ts = order_ts + INTERVAL 40 HOUR, currency = 'GBP', channel = 'partner',
            sales_rep_id = 1 + {v.u("rep", 20, "order_id")}, ship_country = 'NL', discount_code = 'VIP-20',
            note = 'ref=NN-1;gift=yes' WHERE {s.some("orders", 1200, "'d' || order_id")}""",
        f"""UPDATE raw.order_items SET quantity = coalesce(quantity, 0) + 1, unit_price = unit_price - 0.5
            WHERE {s.some("order_items", 1500)}""",
        f"""UPDATE raw.order_items SET product_id = 1 + {v.u("p", s.n["products"], KEYS["order_items"])},
            discount_pct = 0.1, returned = true WHERE {s.some("order_items", 2500, "'p' || order_id || '/' || line_no")}""",
        f"""UPDATE raw.payments SET status = CASE status WHEN 'captured' THEN 'chargeback' ELSE 'captured' END
            WHERE {s.some("payments", 900)}""",
        f"""UPDATE raw.payments SET amount = amount + 3, processor_fee = coalesce(processor_fee, 0) + 0.1,
            method = 'invoice', currency = 'EUR', paid_at = paid_at + INTERVAL 26 HOUR, processor_ref = 'adyen/1/amex'
            WHERE {s.some("payments", 1400, "'a' || payment_id")}""",
        f"""UPDATE raw.refunds SET amount = amount + 1.01, refunded_on = refunded_on + 3, reason = 'Late'
            WHERE {s.some("refunds", 120)}""",
        f"""UPDATE raw.events SET event_name = 'purchase', platform = 'ios', customer_id = 1 + event_id % 40,
            items = [{{'product_id': 5, 'qty': 1, 'price': 20.00}}], experiment = {{'name': 'checkout_v2', 'variant': 'A'}}
            WHERE {s.some("events", 2500)}""",
        f"""UPDATE raw.events SET event_ts = event_ts + INTERVAL 50 MINUTE, props = replace(props, 'linux', 'ios'),
            page_url = '/p/7?utm_source=google' WHERE {s.some("events", 3000, "'t' || event_id")}""",
        f"""UPDATE raw.touches SET campaign_id = 1 + {v.u("camp", s.n["campaigns"], "touch_id")}, cost = cost + 0.25,
            channel = 'affiliate', touched_at = touched_at - INTERVAL 5 DAY WHERE {s.some("touches", 600)}""",
        f"""UPDATE raw.subscriptions SET valid_to = greatest(valid_from + 10, DATE '2025-05-15'), cancel_reason = 'price'
            WHERE valid_to IS NULL AND {s.some("subscriptions", 150)}""",
        f"""UPDATE raw.crm_contacts SET payload = '{{"email": "fixed@example.com", "score": "41", "interests": ["audio"]}}'
            WHERE {s.some("crm_contacts", 500)}""",
    ]  # fmt: skip


def _delete_fact(s: Step) -> list[str]:
    gone = s.some("orders", 900)
    return [
        f"DELETE FROM raw.order_items WHERE {gone} AND order_id % 3 > 0",  # the others become orphans
        f"DELETE FROM raw.payments WHERE {gone} AND order_id % 4 > 0",
        f"DELETE FROM raw.refunds WHERE {gone} AND order_id % 2 > 0",
        f"DELETE FROM raw.orders WHERE {gone}",
        f"DELETE FROM raw.order_items WHERE {s.some('order_items', 3000)}",
        f"DELETE FROM raw.payments USING raw.orders o WHERE payments.order_id = o.order_id AND {s.some('payments', 2000)}",
        f"DELETE FROM raw.refunds WHERE {s.some('refunds', 150)}",
        f"DELETE FROM raw.events WHERE {s.some('events', 1500)}",
        f"""DELETE FROM raw.events WHERE anonymous_id IN (SELECT anonymous_id FROM raw.events
            WHERE {s.some("events", 8000, "'v' || event_id")})""",
        f"DELETE FROM raw.touches WHERE {s.some('touches', 500)}",
        f"DELETE FROM raw.subscriptions WHERE {s.some('subscriptions', 250)}",
        f"DELETE FROM raw.crm_contacts WHERE {s.some('crm_contacts', 400)}",
        f"DELETE FROM raw.fx_rates WHERE {s.some('fx_rates', 250)}",
        f"DELETE FROM raw.product_prices WHERE {s.some('product_prices', 150)}",
        # Leavers at the bottom of the tree, customers whom nobody refers to.
        f"""DELETE FROM raw.employees WHERE {s.some("employees", 25)} AND employee_id NOT IN
            (SELECT manager_id FROM raw.employees WHERE manager_id IS NOT NULL)""",
        f"DELETE FROM raw.customers WHERE {s.some('customers', 500)}",
    ]


def _copy_rows(s: Step, table: str, n: int) -> str:
    return f"INSERT INTO raw.{table} SELECT DISTINCT * FROM raw.{table} WHERE {s.some(table, n)}"


def _drop_copy(s: Step, table: str, n: int) -> str:
    """Delete one of several equal rows; only rowid can say that in SQL."""
    same = f"SELECT max(rowid) FROM raw.{table} WHERE {s.some(table, n, step=s.step - 1)} GROUP BY {KEYS[table]} HAVING count(*) > 1"
    return f"DELETE FROM raw.{table} WHERE rowid IN ({same})"


def _duplicates(s: Step) -> list[str]:
    shares = {
        "orders": 1500, "order_items": 2500, "payments": 1500, "refunds": 120, "events": 2000,
        "touches": 900, "subscriptions": 400, "crm_contacts": 500, "customers": 500, "products": 100,
        "product_prices": 200, "campaigns": 20, "employees": 40, "fx_rates": 300,
    }  # fmt: skip
    if s.step % 2 == 0:
        return [_copy_rows(s, table, n) for table, n in shares.items()]
    return [
        *(_drop_copy(s, table, n) for table, n in shares.items()),
        # And of the clicks that came twice on the first day.
        """DELETE FROM raw.events WHERE rowid IN (SELECT max(rowid) FROM raw.events
            WHERE event_id % 5 = 0 GROUP BY event_id HAVING count(*) > 1)""",
    ]


def _nulls(s: Step) -> list[str]:
    v, n = s.base, s.n
    back = [  # a dimension has at most one row without a key: the last one gets its key back first
        "UPDATE raw.products SET product_id = CAST(substr(sku, 5) AS BIGINT) WHERE product_id IS NULL",
        r"""UPDATE raw.customers SET customer_id = CAST(regexp_extract(full_name, '#(\d+)$', 1) AS BIGINT)
            WHERE customer_id IS NULL""",
    ]  # fmt: skip
    line = "order_id || '/' || line_no"
    if s.step % 2 == 0:
        return [
            *back,
            f"UPDATE raw.products SET product_id = NULL WHERE product_id = {2 + s.step % 19}",
            f"UPDATE raw.customers SET customer_id = NULL WHERE customer_id = {1 + s.step % 23}",
            f"UPDATE raw.orders SET customer_id = NULL, channel = NULL WHERE {s.some('orders', 600)}",
            f"UPDATE raw.orders SET order_ts = NULL WHERE {s.some('orders', 3000, _w('order_id'))}",
            f"UPDATE raw.order_items SET product_id = NULL WHERE {s.some('order_items', 1500)}",
            f"UPDATE raw.order_items SET quantity = NULL WHERE {s.some('order_items', 1800, _w(line))}",
            f"UPDATE raw.payments SET order_id = NULL, currency = NULL WHERE {s.some('payments', 1000)}",
            f"UPDATE raw.refunds SET amount = NULL, line_no = NULL WHERE {s.some('refunds', 100)}",
            f"UPDATE raw.refunds SET order_id = NULL WHERE {s.some('refunds', 400, _w('refund_id'))}",
            f"UPDATE raw.events SET customer_id = NULL, event_name = NULL WHERE {s.some('events', 1500)}",
            f"UPDATE raw.events SET anonymous_id = NULL WHERE {s.some('events', 4000, _w('event_id'))}",
            f"UPDATE raw.touches SET customer_id = NULL, email = NULL, campaign_id = NULL WHERE {s.some('touches', 500)}",
            f"UPDATE raw.subscriptions SET valid_to = NULL, mrr = NULL WHERE {s.some('subscriptions', 200)}",
            f"UPDATE raw.campaigns SET channel = NULL, budget = NULL WHERE {s.some('campaigns', 12)}",
            f"UPDATE raw.employees SET department = NULL, salary = NULL WHERE {s.some('employees', 20)}",
            f"UPDATE raw.crm_contacts SET payload = NULL WHERE {s.some('crm_contacts', 400)}",
            f"UPDATE raw.fx_rates SET usd_rate = NULL WHERE {s.some('fx_rates', 250)}",
        ]

    def was(table: str, share: int, key: str | None = None) -> str:
        return s.some(table, share, key, step=s.step - 1)

    item = f"order_id < 10000000 AND {was('order_items', 1500)}"
    return [
        *back,
        f"""UPDATE raw.orders SET customer_id = {customer_of_order(v, n, "order_id")}, channel = 'web'
            WHERE order_id < 10000000 AND {was("orders", 600)}""",
        f"""UPDATE raw.orders SET order_ts = {order_ts(v, n, "order_id")} WHERE order_ts IS NULL AND order_id < 10000000""",
        f"UPDATE raw.order_items SET product_id = {product_of_item(v, n, line)} WHERE {item}",
        f"UPDATE raw.order_items SET quantity = {quantity_of_item(v, line)} WHERE quantity IS NULL",
        "UPDATE raw.payments SET order_id = payment_id // 10, currency = 'USD' WHERE order_id IS NULL AND payment_id % 3 = 0",
        f"UPDATE raw.refunds SET amount = {refund_amount(v, 'refund_id')}, line_no = 1 WHERE {was('refunds', 100)}",
        """UPDATE raw.refunds SET order_id = CASE WHEN refund_id < 10000000 THEN refund_id ELSE refund_id % 1000000 END
            WHERE order_id IS NULL""",
        f"UPDATE raw.events SET event_name = 'page_view' WHERE event_name IS NULL AND {was('events', 1500)}",
        "UPDATE raw.events SET anonymous_id = 'a' || (1 + event_id % 90) WHERE anonymous_id IS NULL",
        f"""UPDATE raw.touches SET customer_id = 1 + touch_id % 70, email = 'USER' || (1 + touch_id % 70) || '@mail.test',
            campaign_id = 1 + touch_id % 12 WHERE {was("touches", 500)}""",
        f"UPDATE raw.subscriptions SET mrr = 19, valid_to = valid_from + 60 WHERE {was('subscriptions', 200)}",
        f"UPDATE raw.campaigns SET channel = 'email', budget = 1000 WHERE {was('campaigns', 12)}",
        f"UPDATE raw.employees SET department = 'Sales', salary = 50000 WHERE {was('employees', 20)}",
        "UPDATE raw.fx_rates SET usd_rate = 1.1 WHERE usd_rate IS NULL",
    ]  # fmt: skip


def _w(key: str) -> str:
    """The key under another salt: the same share of other rows."""
    return f"'w' || {key}"


def _mixed(s: Step) -> list[str]:
    late = Step(s.seed, s.step, s.part, s.scale)
    late.first_id += 300
    half = s.step % 2
    return [
        *_append_recent(s)[:6],
        *_append_late(late),
        *_update_dim(s)[half::2],
        *_update_fact(s)[half::2],
        *_delete_fact(s),
        _copy_rows(s, "orders", 4000),
        _copy_rows(s, "events", 4000),
        _copy_rows(s, "payments", 4000),
        _copy_rows(s, "subscriptions", 900),
        f"UPDATE raw.orders SET customer_id = NULL WHERE {s.some('orders', 3000, _w('order_id'))}",
        f"""UPDATE raw.touches SET customer_id = 1 + touch_id % 50
            WHERE customer_id IS NULL AND {s.some("touches", 300, _w("touch_id"))}""",
        # Rows that come and go within the step.
        """INSERT INTO raw.refunds SELECT i, i - 10000000, 1, 100, 'ghost', DATE '2024-06-01'
            FROM range(77000000, 77000005) r(i)""",
        "UPDATE raw.refunds SET amount = amount + 1 WHERE reason = 'ghost'",
        "DELETE FROM raw.refunds WHERE reason = 'ghost'",
    ]


def _nothing(s: Step) -> list[str]:
    return [
        f"UPDATE raw.orders SET status = status, shipping_fee = shipping_fee WHERE {s.some('orders', 100)}",
        f"UPDATE raw.customers SET email = email || '', tags = tags WHERE {s.some('customers', 50)}",
        "DELETE FROM raw.order_items WHERE order_id < 0",
        "INSERT INTO raw.events SELECT * FROM raw.events WHERE false",
        f"UPDATE raw.payments SET amount = amount + 1 WHERE {s.some('payments', 300)}",
        f"UPDATE raw.payments SET amount = amount - 1 WHERE {s.some('payments', 300)}",
        """INSERT INTO raw.touches SELECT i, i, 'x', 1, 'email', TIMESTAMP '2024-05-05', 1 FROM range(88000000, 88000009) r(i)""",
        "DELETE FROM raw.touches WHERE touch_id BETWEEN 88000000 AND 88000008",
        """MERGE INTO raw.products AS t USING (SELECT DISTINCT * FROM raw.products) AS n ON t.product_id = n.product_id
            WHEN MATCHED AND t.product_id % 3 = 0 THEN UPDATE SET list_price = n.list_price, brand = n.brand""",
        f"UPDATE raw.subscriptions SET valid_to = CAST(valid_to AS DATE) WHERE {s.some('subscriptions', 30)}",
        "UPDATE raw.fx_rates SET usd_rate = usd_rate * 1.000 WHERE currency = 'EUR'",
    ]  # fmt: skip


def _empty_then_fill(s: Step) -> list[str]:
    table = EMPTIED[s.step // 2 % len(EMPTIED)]
    if s.step % 2 == 0:
        return [f"DELETE FROM raw.{table}"]
    fill = fill_sql(s.seed, s.scale)
    again = ("campaigns", "refunds", "fx_rates")[s.step // 2 % 3]
    return [
        f"DELETE FROM raw.{table}",  # so that the step is right wherever it is run
        f"INSERT INTO raw.{table} BY NAME {fill[table]}",
        f"DELETE FROM raw.{again}",
        f"INSERT INTO raw.{again} BY NAME {fill[again]}",
    ]
