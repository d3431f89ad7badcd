"""Write a table, read it in four ways, and look at it as it was."""

from __future__ import annotations

from crannog.engine import connect

with connect("./lake") as lake:
    lake.sql("CREATE TABLE walks AS SELECT 'Monday' AS day, 4.2 AS km")
    before = lake.sql("SELECT count(*) FROM walks")
    lake.sql("INSERT INTO walks VALUES ($day, $km)", {"day": "Tuesday", "km": 7.5})

    walks = lake.sql("FROM walks ORDER BY day")
    print([(column.name, column.type) for column in walks.columns])
    print(walks.fetchall())
    print(walks.arrow().num_rows, "rows as Arrow")
    print(walks.pl()["km"].sum(), "km by polars")
    print(walks.df()["km"].max(), "km at most by pandas")

    print("when the query was made:", before.fetchall())
    print("one commit back:", lake.at("main~1").sql("SELECT count(*) FROM walks").fetchall())
