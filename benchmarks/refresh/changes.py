"""Changes of orders and their lines: a share of all, recent or spread over the whole table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """Say which share of the orders changes, and whether these are the newest ones."""

    share: float
    recent: bool

    @property
    def name(self) -> str:
        return f"{self.share * 100:g} % {'recent' if self.recent else 'spread'}"

    def statements(self, number: int, count: int, largest: int) -> list[str]:
        """Return one transaction: two fifths new orders, two fifths updates, one fifth deletes.

        Args:
            number: of the change, so that each differs.
            count: how many orders there are.
            largest: the largest order key.
        """
        total = max(int(count * self.share), 5)
        new, changed, gone = total * 2 // 5, total * 2 // 5, total - total * 4 // 5
        chosen = self._chosen(number, largest, changed + gone)
        lost = f"SELECT k FROM chosen WHERE n > {changed}"
        kept = f"SELECT k FROM chosen WHERE n <= {changed}"
        old = f"SELECT o_orderkey FROM tpch.orders ORDER BY o_orderkey DESC LIMIT {new}"
        columns = "l_partkey, l_suppkey, l_linenumber, l_quantity + 1, l_extendedprice, l_discount"
        rest = (
            "l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, "
            "l_shipinstruct, l_shipmode, l_comment"
        )
        return [
            f"CREATE OR REPLACE TEMP TABLE chosen AS {chosen}",
            f"CREATE OR REPLACE TEMP TABLE old AS {old}",
            "BEGIN",
            f"DELETE FROM tpch.lineitem WHERE l_orderkey IN ({lost})",
            f"DELETE FROM tpch.orders WHERE o_orderkey IN ({lost})",
            (
                f"UPDATE tpch.lineitem SET l_quantity = l_quantity + 1, l_extendedprice = "
                f"l_extendedprice + 10 WHERE l_orderkey IN ({kept})"
            ),
            f"UPDATE tpch.orders SET o_totalprice = o_totalprice + 10 WHERE o_orderkey IN ({kept})",
            (
                f"INSERT INTO tpch.lineitem SELECT l_orderkey + {new * 4 + 40}, {columns}, {rest} "
                "FROM tpch.lineitem WHERE l_orderkey IN (SELECT o_orderkey FROM old)"
            ),
            (
                f"INSERT INTO tpch.orders SELECT o_orderkey + {new * 4 + 40}, o_custkey, "
                "o_orderstatus, o_totalprice, o_orderdate, o_orderpriority, o_clerk, "
                "o_shippriority, o_comment FROM tpch.orders "
                "WHERE o_orderkey IN (SELECT o_orderkey FROM old)"
            ),
            "COMMIT",
        ]

    def _chosen(self, number: int, largest: int, wanted: int) -> str:
        if self.recent:
            order = "o_orderkey DESC"
            inside = f"FROM tpch.orders WHERE o_orderkey > {largest - wanted * 8}"
        else:
            order, inside = f"hash(o_orderkey + {number})", "FROM tpch.orders"
        ranked = f"SELECT o_orderkey AS k, row_number() OVER (ORDER BY {order}) AS n {inside}"
        return f"SELECT k, n FROM ({ranked}) WHERE n <= {wanted}"
