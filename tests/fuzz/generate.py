"""Random scenarios: a schema, rows, a chain of models, and rounds of changes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from random import Random

from fuzz import values
from fuzz.queries import Queries
from fuzz.sources import Select
from fuzz.styles import MIX
from fuzz.values import Table

Row = tuple[str, ...]
Rows = list[Row]


@dataclass
class Model:
    """Hold one model: its text, and which of its columns may differ between two rebuilds."""

    name: str
    sql: str
    columns: list[str]
    inexact: list[str]
    style: str = ""


@dataclass
class Scenario:
    """Hold one scenario.

    Args:
        tables: by name, the columns with their types.
        rows: by name, what is in a table at first, as SQL literals.
        rounds: each by table: the rows that go and those that come.
    """

    tables: dict[str, list[tuple[str, str]]]
    rows: dict[str, Rows]
    models: list[Model]
    rounds: list[dict[str, tuple[Rows, Rows]]] = field(default_factory=list)

    def dump(self) -> str:
        """Write it as JSON that a person can read."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def load(text: str) -> Scenario:
    """Read what `dump` wrote."""
    found = json.loads(text)
    return Scenario(
        {name: [tuple(each) for each in columns] for name, columns in found["tables"].items()},
        {name: [tuple(row) for row in rows] for name, rows in found["rows"].items()},
        [Model(**each) for each in found["models"]],
        [
            {
                name: ([tuple(row) for row in gone], [tuple(row) for row in came])
                for name, (gone, came) in each.items()
            }
            for each in found["rounds"]
        ],
    )


def query(rng: Random, tables: list[Table], style: str | None = None) -> tuple[Select, str]:
    """Draw a query and say in which style."""
    style = style or rng.choices(list(MIX), weights=list(MIX.values()))[0]
    depth = rng.choice([0, 1, 1, 2, 2, 3])
    made = Queries(rng, tables, style).query(depth)
    while len(made.sql) > 1500:
        made = Queries(rng, tables, style).query(min(depth, 2))
    return made, style


class Draft:
    """Draw a scenario step by step, so that models that cannot run are drawn anew."""

    def __init__(self, seed: int | str, style: str | None = None) -> None:
        self.rng = Random(seed)
        self.style = style
        self.tables = values.schema(self.rng)
        if self.rng.random() < 0.25:
            self.rng.choice(self.tables).heavy = True
        self.rows = {each.name: values.rows(self.rng, each) for each in self.tables}
        self.models: list[Model] = []
        self.known = list(self.tables)
        self.wanted = self.rng.choice([1, 1, 1, 2, 3, 4])

    def model(self) -> Model:
        """Draw the next model, which may read those before it."""
        rng = self.rng
        made, style = query(rng, self._sample(), self.style)
        name = f"m{len(self.models) + 1}"
        columns = [values.plain(each.name) for each in made.columns]
        inexact = [values.plain(each.name) for each in made.columns if not each.exact]
        self._candidate = Table(name, made.columns)
        return Model(name, made.sql, columns, inexact, style)

    def _sample(self) -> list[Table]:
        """Let a model read some tables only, but the model before it more often than others."""
        some = self.rng.sample(self.known, min(len(self.known), self.rng.choice([1, 2, 2, 3, 5])))
        if self.models and self.rng.random() < 0.8:
            some = [each for each in some if each is not self.known[-1]] + [self.known[-1]]
        return some

    def accept(self, model: Model) -> None:
        """Take the model that was drawn last."""
        self.models.append(model)
        self.known.append(self._candidate)

    def finish(self) -> Scenario:
        """Draw the rounds."""
        rng = self.rng
        now = {name: Counter(rows) for name, rows in self.rows.items()}
        text = " ".join(model.sql.lower() for model in self.models)
        read = [each for each in self.tables if each.name in text] or self.tables
        rounds = []
        for _ in range(rng.choice([3, 4, 5, 6, 6])):
            grow = rng.random() < 0.35
            some = rng.sample(read, min(len(read), rng.choice([1, 1, 2, 2, 3])))
            if rng.random() < 0.1:
                some = rng.sample(self.tables, rng.choice([0, 1]))
            batch = {}
            for table in some:
                batch[table.name] = values.change(rng, table, now[table.name], grow=grow)
                now[table.name] = values.apply(now[table.name], batch[table.name])
            rounds.append(batch)
        return Scenario(
            {
                each.name: [
                    (column.name, kind)
                    for column, kind in zip(each.columns, each.types, strict=True)
                ]
                for each in self.tables
            },
            {name: list(rows.elements()) for name, rows in self.rows.items()},
            self.models,
            rounds,
        )
