"""The rows of the source tables as SQL: one SELECT per table, a function of seed and scale only.

Every value is a function of (seed, column, key) through md5, so rows do not depend on the engine's
version, on threads or on the order of execution, and a table can be filled again at any time.
"""

DAYS = 546  # 2024-01-01 to 2025-06-30


def sizes(scale: float) -> dict[str, int]:
    """Give the number of keys per table."""
    per_scale = {
        "customers": 2500, "products": 300, "orders": 20000, "visits": 8000, "visitors": 3200,
        "touches": 12000, "crm_contacts": 5000, "contacts": 1800, "campaigns": 40, "employees": 120,
    }  # fmt: skip
    floor = {"campaigns": 12, "employees": 30, "products": 60, "customers": 60}
    return {name: max(floor.get(name, 100), int(n * scale)) for name, n in per_scale.items()}


class Values:
    """SQL expressions for the pseudo-random values of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def u(self, salt: str, n: int, key: str = "i") -> str:
        """A whole number in [0, n) that depends on the salt and the key."""
        return f"CAST(md5_number_lower('{self.seed}:{salt}:' || {key}) % {n} AS BIGINT)"

    def skewed(self, salt: str, n: str | int, key: str = "i") -> str:
        """A whole number in [0, n), small ones more often."""
        x = self.u(salt, 10000, key)
        return f"(({x} * {x} // 10000) * ({n}) // 10000)"

    def pick(self, salt: str, items: list[str | None], key: str = "i") -> str:
        """One of the items."""
        texts = ", ".join("NULL" if item is None else f"'{item}'" for item in items)
        return f"([{texts}])[{self.u(salt, len(items), key)} + 1]"


def customer_of_order(v: Values, n: dict[str, int], key: str = "i") -> str:
    """The customer of an order: a guest at times, mostly someone who had signed up by then."""
    known = f"({n['customers']} * (20 + 80 * {key} // {n['orders']}) // 100)"
    customer = f"1 + {v.skewed('o.customer', known, key)}"
    return f"CASE WHEN {v.u('o.guest', 25, key)} > 0 THEN {customer} END"


def product_of_item(v: Values, n: dict[str, int], key: str) -> str:
    """The product of an order line."""
    product = f"1 + {v.skewed('oi.product', n['products'], key)}"
    return f"CASE WHEN {v.u('oi.lost', 100, key)} > 0 THEN {product} END"


def quantity_of_item(v: Values, key: str) -> str:
    """The quantity of an order line."""
    return f"CAST(1 + {v.u('oi.qty', 3, key)} * {v.u('oi.bulk', 2, key)} AS INTEGER)"


def refund_amount(v: Values, key: str) -> str:
    """The amount of a refund."""
    return f"CAST((200 + {v.u('r.amount', 6000, key)}) / 100 AS DECIMAL(12,2))"


def list_price(v: Values, key: str) -> str:
    """The list price of a product in the generated data."""
    return (
        f"CAST(CAST(500 + {v.u('p.price', 20000, key)} AS DECIMAL(12,0)) * 0.01 AS DECIMAL(12,2))"
    )


def order_ts(v: Values, n: dict[str, int], key: str = "i") -> str:
    """The time of an order: orders come roughly by number."""
    seconds = f"{key} * {DAYS * 86400} // {n['orders'] + 1} - {v.u('o.ts', 259200, key)}"
    return f"greatest(TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01' + to_seconds({seconds}))"


def order_items_sql(v: Values, n: dict[str, int]) -> str:
    line = "i || '/' || line"
    return f"""
SELECT i AS order_id, CAST(line AS INTEGER) AS line_no,
    {product_of_item(v, n, line)} AS product_id,
    {quantity_of_item(v, line)} AS quantity,
    {list_price(v, "(" + "1 + " + v.skewed("oi.product", n["products"], line) + ")")} AS unit_price,
    CASE WHEN {v.u("oi.disc", 4, line)} = 0 THEN {v.u("oi.pct", 30, line)} / 100.0::DOUBLE END
        AS discount_pct,
    CASE {v.u("oi.ret", 20, line)} WHEN 0 THEN true WHEN 1 THEN NULL ELSE false END AS returned
FROM range(1, {n["orders"] + 1}) o(i), range(1, 5) l(line)
WHERE line <= 1 + {v.u("o.lines", 4)} AND {v.u("o.empty", 50)} > 0"""


def fill_sql(seed: int, scale: float) -> dict[str, str]:
    """Give for each table the SELECT that makes its rows; it reads no other table."""
    v, n = Values(seed), sizes(scale)
    u, pick = v.u, v.pick
    sql = {"order_items": order_items_sql(v, n)}
    sql["customers"] = f"""
SELECT i AS customer_id,
    CASE WHEN {u("c.noemail", 16)} > 0 THEN
        CASE {u("c.noise", 8)} WHEN 0 THEN upper(address) WHEN 1 THEN ' ' || address || ' '
        ELSE address END END AS email,
    {pick("c.first", ["Ada", "Bo", "Cleo", "Dan", "Eve", "Finn", "Gus", "Zoë", "José", "Mia"])}
        || ' ' || {pick("c.last", ["Quinn", "de Boer", "O''Neil", "Smith", "Li", "Özil", "Sá"])}
        || ' #' || i AS full_name,
    {pick("c.country", ["US", "US", "US", "us", "DE", "DE", "de ", "FR", "GB", "uk", "NL", "BR", None, ""])}
        AS country,
    CASE WHEN {u("c.test", 60)} = 0 THEN 'test'
        ELSE {pick("c.segment", ["consumer", "consumer", "consumer", "smb", "smb", "enterprise", None])}
        END AS segment,
    CASE {u("c.opt", 10)} WHEN 9 THEN NULL ELSE {u("c.opt", 10)} < 6 END AS marketing_opt_in,
    CASE WHEN {u("c.referred", 4)} = 0 AND i > 5 THEN 1 + {v.skewed("c.by", "i - 1")} END AS referred_by,
    CASE WHEN {u("c.limit", 3)} > 0 THEN CAST({u("c.credit", 200)} * 50 AS DECIMAL(12,2)) END
        AS credit_limit,
    CASE {u("c.tags", 8)} WHEN 0 THEN ['vip'] WHEN 1 THEN ['vip', 'wholesale'] WHEN 2 THEN ['beta', NULL]
        WHEN 3 THEN ['newsletter', 'beta'] WHEN 4 THEN [] WHEN 5 THEN ['newsletter'] END AS tags,
    CASE WHEN {u("c.addr", 10)} > 0 THEN {{'street': {u("c.no", 200)} || ' Main St',
        'city': {pick("c.city", ["Berlin", "Paris", "Austin", "Leeds", "Recife", None])},
        'zip': CASE {u("c.zip", 6)} WHEN 0 THEN NULL WHEN 1 THEN ' ' || (10000 + {u("c.z", 90000)})
            WHEN 2 THEN 'n/a' ELSE CAST(10000 + {u("c.z", 90000)} AS VARCHAR) END}} END AS address,
    signup_at, signup_at + to_hours({u("c.upd", 9000)}) AS updated_at
FROM (
    SELECT i,
        'user' || CASE WHEN {u("c.shared", 40)} = 0 THEN i - 1 ELSE i END || '@'
            || {pick("c.domain", ["example.com", "mail.test", "corp.example", "Example.COM"])} AS address,
        TIMESTAMP '2023-09-01' + to_seconds(i * {668 * 86400} // {n["customers"] + 1}
            + {u("c.ts", 80000)}) AS signup_at
    FROM range(1, {n["customers"] + 1}) r(i)
)"""
    sql["crm_contacts"] = f"""
SELECT i AS lsn, contact_id,
    CASE WHEN {u("k.op", 20)} = 0 THEN 'D' WHEN {u("k.op", 20)} < 6 THEN 'I' ELSE 'U' END AS op,
    CASE {u("k.bad", 80)} WHEN 0 THEN '{{"email": "cut' WHEN 1 THEN NULL ELSE
        '{{"email": "' || CASE {u("k.case", 3)} WHEN 0 THEN 'USER' ELSE 'user' END
        || (1 + {u("k.user", n["customers"])}) || '@' || {pick("k.dom", ["example.com", "MAIL.test"])}
        || '", "name": "Contact ' || i || '", "phone": '
        || {pick("k.phone", ['"+49 (30) 1234-5"', '"0044 20 7946"', "null", '""', '"555-0199"'])}
        || ', "score": ' || {pick("k.score", ["12", "7.5", '"88"', "null", '"high"', "0"])}
        || ', "interests": ' || {pick("k.int", ["[]", '["pans","audio"]', '["phones"]', "null"])}
        || '}}' END AS payload,
    TIMESTAMP '2024-01-01' + to_minutes(i // 3 * {DAYS * 1440} // {n["crm_contacts"] // 3 + 1}) AS synced_at
FROM (SELECT i, 'C-' || (1 + {v.skewed("k.id", n["contacts"])}) AS contact_id
    FROM range(1, {n["crm_contacts"] + 1}) r(i))"""
    sql["products"] = f"""
SELECT i AS product_id, 'SKU-' || lpad(CAST(i AS VARCHAR), 5, '0') AS sku,
    {pick("p.adj", ["Small", "Big", "Blue", "Classic", "Eco"])} || ' '
        || {
        pick("p.noun", ["Pan", "Lamp", "Phone", "Chair", "Speaker", "Rug"])
    } || ' ' || i AS name,
    {
        pick(
            "p.cat",
            [
                "Home > Kitchen > Pans",
                "Home > Kitchen > Knives",
                "Home > Garden",
                "home > Garden",
                "Home > Living > Rugs",
                "Electronics > Phones",
                "Electronics > Audio > Speakers",
                " Electronics > Audio",
                "Electronics > Phones > Cases",
                "Office > Chairs",
                "Office > Paper",
                "Toys",
                None,
            ],
        )
    } AS category_path,
    {pick("p.brand", ["Acme", "ACME", "Nordix", "Umbra", "Zenit", "Kiro", "Lumo", None])} AS brand,
    {list_price(v, "i")} AS list_price,
    CASE WHEN {u("p.nocost", 12)} > 0
        THEN CAST({list_price(v, "i")} * (30 + {
        u("p.cost", 75)
    }) / 100 AS DECIMAL(12,2)) END AS unit_cost,
    CASE WHEN {u("p.noweight", 9)} > 0 THEN (1 + {
        u("p.weight", 5000)
    }) / 1000.0::DOUBLE END AS weight_kg,
    CASE WHEN {u("p.noattr", 7)} > 0 THEN {{'color': {
        pick("p.color", ["red", "blue", "Blue", "black", None])
    },
        'size': {pick("p.size", ["S", "M", "L", "one size", None])},
        'materials': CASE {u("p.mat", 4)} WHEN 0 THEN ['steel'] WHEN 1 THEN ['wood', 'steel']
            WHEN 2 THEN [] END}} END AS attributes,
    CASE {u("p.active", 12)} WHEN 0 THEN false WHEN 1 THEN NULL ELSE true END AS is_active,
    DATE '2022-01-01' + CAST({u("p.launch", 1100)} AS INTEGER) AS launched_on
FROM range(1, {n["products"] + 1}) r(i)"""
    sql["product_prices"] = f"""
SELECT i AS product_id,
    CAST({list_price(v, "i")} * (80 + 5 * {u("pp.price", 8, "i || '/' || s")}) / 100 AS DECIMAL(12,2)) AS price,
    valid_from,
    CAST(lead(valid_from) OVER (PARTITION BY i ORDER BY s)
        - CASE WHEN {u("pp.gap", 10, "i || '/' || s")} = 0 THEN 5 ELSE 0 END AS DATE) AS valid_to
FROM (
    SELECT i, s, CASE WHEN s = 0 THEN DATE '2023-01-01' ELSE
        DATE '2024-01-01' + CAST(s * 120 + {u("pp.from", 60, "i || '/' || s")} AS INTEGER) END AS valid_from
    FROM range(1, {n["products"] + 1}) r(i), range(4) t(s) WHERE s <= {u("pp.n", 4)}
)"""
    sql["orders"] = f"""
SELECT i AS order_id, {customer_of_order(v, n)} AS customer_id, {order_ts(v, n)} AS order_ts,
    CASE WHEN {u("o.status", 100)} < 4 THEN 'cancelled' WHEN {u("o.status", 100)} < 6 THEN 'Cancelled'
        WHEN {u("o.status", 100)} < 10 THEN 'returned' WHEN {u("o.status", 100)} < 18 THEN 'placed'
        WHEN {u("o.status", 100)} < 30 THEN 'paid' WHEN {u("o.status", 100)} < 45 THEN 'shipped'
        WHEN {u("o.status", 100)} < 97 THEN 'delivered' WHEN {u("o.status", 100)} < 98 THEN 'delivered '
        WHEN {u("o.status", 100)} < 99 THEN 'TEST' END AS status,
    {pick("o.channel", ["web", "web", "web", "app", "app", "store", "partner", None])} AS channel,
    {pick("o.cur", ["USD", "USD", "USD", "USD", "EUR", "EUR", "EUR", "GBP", "BRL", None])} AS currency,
    CASE WHEN {u("o.free", 6)} > 0 THEN CAST({u("o.ship", 5)} * 2.50 AS DECIMAL(12,2)) END AS shipping_fee,
    CASE WHEN {u("o.code", 3)} = 0 THEN {pick("o.which", ["WELCOME10", "welcome10", "SUMMER", "VIP-20", ""])}
        END AS discount_code,
    CASE WHEN {u("o.rep", 3)} = 0 THEN 1 + {v.skewed("o.who", n["employees"])} END AS sales_rep_id,
    {pick("o.country", ["US", "US", "US", "DE", "DE", "FR", "GB", "NL", "BR", None])} AS ship_country,
    CASE {u("o.note", 12)} WHEN 0 THEN 'ref=AB-' || lpad(CAST(i % 700 AS VARCHAR), 4, '0') || ';gift=yes'
        WHEN 1 THEN 'ref=;gift=no' WHEN 2 THEN 'call before; ref=zz-' || i % 90 WHEN 3 THEN '' END AS note,
    {order_ts(v, n)} + to_hours({u("o.upd", 200)}) AS updated_at
FROM range(1, {n["orders"] + 1}) r(i)"""
    sql["payments"] = f"""
WITH totals AS (
    SELECT order_id AS i, sum(quantity * unit_price) AS total FROM ({sql["order_items"]}) GROUP BY order_id
), attempts AS (
    SELECT i, total, a, 10 * i + a AS payment_id, a = 1 + {u("y.retry", 12)} // 11 AS is_last
    FROM totals, range(1, 3) t(a) WHERE a <= 1 + {u("y.retry", 12)} // 11 AND {u("y.unpaid", 20)} > 0
)
SELECT payment_id, CASE WHEN {u("y.lost", 50, "payment_id")} > 0 THEN i END AS order_id,
    {pick("y.method", ["card", "card", "card", "paypal", "paypal", "invoice", "Card", None])} AS method,
    CASE WHEN NOT is_last THEN 'failed' WHEN {u("y.status", 60)} = 0 THEN 'chargeback'
        WHEN {u("y.status", 60)} < 4 THEN 'pending' ELSE 'captured' END AS status,
    CAST(CASE {u("y.off", 30)} WHEN 0 THEN total - 1 WHEN 1 THEN total * 2 ELSE total END AS DECIMAL(12,2))
        AS amount,
    {pick("o.cur", ["USD", "USD", "USD", "USD", "EUR", "EUR", "EUR", "GBP", "BRL", None])} AS currency,
    {order_ts(v, n)} + to_minutes({u("y.min", 4000, "payment_id")} - 30) AS paid_at,
    CASE WHEN {u("y.nofee", 8)} > 0 THEN total::DOUBLE * 0.029 + 0.3 END AS processor_fee,
    CASE {u("y.ref", 5)} WHEN 0 THEN 'PAYPAL:PAY-' || lpad(CAST(i AS VARCHAR), 6, '0')
        WHEN 1 THEN 'adyen/' || i || '/mc' WHEN 2 THEN NULL
        ELSE 'STRIPE:ch_' || i || ':visa-' || (1000 + {u("y.card", 9000)}) END AS processor_ref
FROM attempts"""
    sql["refunds"] = f"""
SELECT i AS refund_id, i AS order_id,
    CASE WHEN {u("r.whole", 3)} > 0 THEN CAST(1 + {u("r.line", 2)} AS INTEGER) END AS line_no,
    {refund_amount(v, "i")} AS amount,
    {pick("r.reason", ["damaged", "late", "Late", "wrong item", None])} AS reason,
    CAST({order_ts(v, n)} AS DATE) + CAST(1 + {u("r.days", 40)} AS INTEGER) AS refunded_on
FROM range(1, {n["orders"] + 1}) r(i) WHERE {u("r.is", 14)} = 0"""
    sql["events"] = f"""
WITH visits AS (
    SELECT i, 1 + {v.skewed("e.visitor", n["visitors"])} AS visitor, {u("e.n", 9)} AS last_e,
        TIMESTAMP '2024-01-01' + to_seconds(i * {DAYS * 86400} // {n["visits"] + 1} + {
        u("e.ts", 30000)
    }) AS started,
        CASE WHEN {u("e.slow", 25)} = 0 THEN 2400 ELSE 5 + {u("e.pace", 500)} END AS pace
    FROM range(1, {n["visits"] + 1}) r(i)
), clicks AS (
    SELECT *, 10 * i + e AS event_id,
        CASE WHEN e = 0 THEN 'page_view'
            WHEN e = last_e AND {u("e.buy", 10)} < 3 THEN 'purchase'
            WHEN e = last_e - 1 AND {u("e.buy", 10)} < 4 THEN 'checkout'
            ELSE {
        pick(
            "e.name",
            [
                "page_view",
                "page_view",
                "product_view",
                "product_view",
                "product_view",
                "add_to_cart",
                "add_to_cart",
                "login",
                "email_open",
            ],
            "i || '/' || e",
        )
    } END AS event_name,
        1 + {v.skewed("e.product", n["products"], "i || '/' || e")} AS product,
        1 + {u("e.qty", 3, "i || '/' || e")} AS qty
    FROM visits, range(9) t(e) WHERE e <= last_e
)
SELECT event_id, 'a' || visitor AS anonymous_id,
    CASE WHEN visitor % 5 < 2 AND e >= 1 THEN 1 + visitor * 7919 % {
        n["customers"]
    } END AS customer_id,
    event_name, started + to_seconds(pace * (e - e % 3 // 2)) AS event_ts,
    CASE WHEN e = 0 THEN '/?utm_source=' || {
        pick("e.src", ["news", "google", "Google", "", "meta"])
    }
            || '&utm_campaign=' || (1 + {u("e.camp", n["campaigns"])})
        WHEN event_name IN ('product_view', 'add_to_cart') THEN '/p/' || product
        WHEN event_name IN ('checkout', 'purchase') THEN '/' || event_name END AS page_url,
    {pick("e.plat", ["web", "web", "ios", "android", "Web", None])} AS platform,
    CASE {u("e.props", 40, "event_id")} WHEN 0 THEN NULL WHEN 1 THEN '{{"value": 1' ELSE
        '{{"value": ' || {pick("e.value", ["12.5", "null", '"7"', "0", "310"], "event_id")}
        || ', "dev": {{"os": "' || {pick("e.os", ["ios", "linux", "win"])} || '"}}, "cart": '
        || CASE WHEN event_name = 'add_to_cart' THEN '[{{"sku": "SKU-' || lpad(CAST(product AS VARCHAR), 5, '0')
            || '", "qty": ' || qty || '}}, {{"sku": "SKU-00001", "qty": 1}}]' ELSE '[]' END || '}}' END AS props,
    CASE WHEN event_name = 'add_to_cart' THEN
            [{{'product_id': product, 'qty': CAST(qty AS INTEGER), 'price': {
        list_price(v, "product")
    }}}]
        WHEN event_name = 'purchase' THEN
            [{{'product_id': product, 'qty': 1, 'price': {list_price(v, "product")}}},
             {{'product_id': 1 + product * 31 % {
        n["products"]
    }, 'qty': CAST(qty AS INTEGER), 'price': NULL}}]
        WHEN event_name = 'checkout' THEN [] END AS items,
    CASE WHEN visitor % 3 > 0 THEN {{'name': {
        pick("e.exp", ["checkout_v2", "checkout_v2", "banner"])
    },
        'variant': CASE visitor % 7 WHEN 0 THEN NULL WHEN 1 THEN 'A' WHEN 2 THEN 'A' WHEN 3 THEN 'A' ELSE 'B' END
        }} END AS experiment
FROM clicks, range(2) d(copy) WHERE copy = 0 OR {u("e.twice", 300, "event_id")} = 0"""
    sql["subscriptions"] = f"""
WITH parts AS (
    SELECT i, s, DATE '2023-09-15' + CAST(i * 668 // {n["customers"] + 1} + s * 110 + {u("s.from", 60, "i || '/' || s")}
            AS INTEGER) AS valid_from,
        {v.skewed("s.plan", 4, "i || '/' || s")} AS p
    FROM range(1, {n["customers"] + 1}) r(i), range(4) t(s)
    WHERE {u("s.has", 5)} < 3 AND s <= {u("s.n", 4)} AND (s = 0 OR i * 668 // {n["customers"] + 1} + s * 110 < 620)
)
SELECT 10 * i + s AS subscription_id, i AS customer_id, (['starter', 'pro', 'team', 'enterprise'])[p + 1] AS plan,
    CAST(([19, 49, 99, 499])[p + 1] - CASE WHEN {u("s.disc", 6)} = 0 THEN 5 ELSE 0 END AS DECIMAL(12,2)) AS mrr,
    s = 0 AND {u("s.trial", 3)} = 0 AS is_trial, valid_from,
    coalesce(CAST(lead(valid_from) OVER (PARTITION BY i ORDER BY s)
            - CASE WHEN {u("s.gap", 5, "i || '/' || s")} = 0 THEN 25 ELSE 0 END AS DATE),
        CASE WHEN {u("s.churned", 3)} = 0 THEN valid_from + CAST(30 + {u("s.len", 200)} AS INTEGER) END) AS valid_to,
    CASE WHEN {u("s.churned", 3)} = 0 THEN {pick("s.why", ["price", "Price", "moved", "missing feature", None])} END
        AS cancel_reason
FROM parts"""
    sql["campaigns"] = f"""
SELECT i AS campaign_id,
    {pick("m.name", ["Spring Sale", "Brand", "Retarget", "Launch", "Win-back"])} || ' '
        || {pick("m.geo", ["DE", "US", "all"])} || ' ' || i AS name,
    {pick("m.channel", ["google_ads", "meta", "email", "affiliate", None])} AS channel,
    CASE WHEN {u("m.nobudget", 9)} > 0 THEN CAST({u("m.budget", 400)} * 25 AS DECIMAL(12,2)) END AS budget,
    DATE '2024-01-01' + CAST({u("m.start", 450)} AS INTEGER) AS starts_on,
    CASE WHEN {u("m.open", 5)} > 0
        THEN DATE '2024-01-01' + CAST({u("m.start", 450)} + 20 + {u("m.len", 120)} AS INTEGER) END AS ends_on,
    CASE {u("m.tags", 4)} WHEN 0 THEN ['vip'] WHEN 1 THEN ['beta', 'newsletter'] WHEN 2 THEN [] END AS target_tags
FROM range(1, {n["campaigns"] + 1}) r(i)"""
    sql["touches"] = f"""
SELECT i AS touch_id, CASE WHEN {u("t.known", 10)} > 2 THEN who END AS customer_id,
    CASE {u("t.email", 5)} WHEN 0 THEN NULL WHEN 1 THEN 'USER' || who || '@example.com'
        ELSE 'user' || who || '@' || {pick("t.dom", ["example.com", "mail.test"])} END AS email,
    CASE WHEN {u("t.camp", 10)} > 0 THEN 1 + {v.skewed("t.which", n["campaigns"])} END AS campaign_id,
    {pick("t.channel", ["google_ads", "meta", "email", "email", "affiliate", "direct", None])} AS channel,
    TIMESTAMP '2023-12-15' + to_minutes(i * {(DAYS + 17) * 1440} // {n["touches"] + 1} + {u("t.ts", 300)}) AS touched_at,
    CAST({u("t.cost", 30000)} AS DECIMAL(12,4)) * 0.0001 AS cost
FROM (SELECT i, 1 + {v.skewed("t.who", n["customers"])} AS who FROM range(1, {n["touches"] + 1}) r(i))"""
    sql["employees"] = f"""
SELECT i AS employee_id, CASE WHEN i > 2 THEN 1 + (i - 2) // 4 END AS manager_id,
    {pick("h.name", ["Ann", "Bela", "Chi", "Dov", "Ezra", "Fay"])} || ' ' || i AS full_name,
    {pick("h.dept", ["Sales", "Sales", "sales", "Support", "Engineering", "Finance", None])} AS department,
    CASE WHEN {u("h.nosalary", 15)} > 0 THEN CAST(30000 + {u("h.salary", 900)} * 100 AS DECIMAL(12,2)) END AS salary,
    DATE '2018-01-01' + CAST(i * 2600 // {n["employees"] + 1} AS INTEGER) AS hired_on,
    CASE WHEN {u("h.left", 10)} = 0 THEN DATE '2025-03-01' + CAST({u("h.day", 90)} AS INTEGER) END AS left_on
FROM range(1, {n["employees"] + 1}) r(i)"""
    sql["fx_rates"] = f"""
SELECT currency, CAST(day AS DATE) AS rate_date,
    CAST(base * (0.95 + {u("f.rate", 1000, "currency || '/' || CAST(day AS DATE)")} * 0.0001) AS DECIMAL(18,6)) AS usd_rate
FROM (VALUES ('EUR', 1.08), ('GBP', 1.27), ('BRL', 0.19)) c(currency, base),
    generate_series(TIMESTAMP '2023-12-28', TIMESTAMP '2025-06-30', INTERVAL 1 DAY) d(day)
WHERE isodow(day) < 6"""
    return sql
