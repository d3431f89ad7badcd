"""The columns that a name can mean at one place of a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from crannog.sql.refresh.relate.canonical import Expr, column, renamed
from crannog.sql.refresh.unsupported import too_complex

_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def folded(name: str) -> str:
    """Return a name as DuckDB compares it: only A to Z have a case."""
    return name.lower() if name.isascii() else name.translate(_FOLD)


@dataclass(frozen=True, slots=True)
class Output:
    """Hold one column of a FROM item.

    Args:
        name: None where DuckDB makes one from the text of the expression: nothing means it.
        id: its name in the relation.
    """

    name: str | None
    id: str


@dataclass(frozen=True, slots=True)
class Item:
    """Hold one item of FROM: its alias and columns."""

    alias: str | None
    columns: tuple[Output, ...]

    def find(self, name: str) -> Output | None:
        """Return the column of a name."""
        wanted = folded(name)
        found = [each for each in self.columns if each.name and folded(each.name) == wanted]
        if len(found) > 1:
            raise too_complex(f"the name {name} is ambiguous")
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Merged:
    """Hold a column of USING: one for several.

    Args:
        value: what the bare name means.
        ids: the columns that stand behind it.
    """

    name: str
    value: Expr
    ids: frozenset[str]


@dataclass(slots=True)
class Scope:
    """Hold the FROM items that names are looked up in.

    Args:
        parent: the scope around a subquery; None where it must not see one.
    """

    items: list[Item] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    parent: Scope | None = None

    def find(self, parts: Sequence[str]) -> Expr | None:
        """Return what a dotted name means here: a column, or a field in one."""
        if len(parts) > 1:
            items = [each for each in self.items if _is_called(each, parts[0])]
            found = [output for output in (item.find(parts[1]) for item in items) if output]
            if len(found) > 1:
                raise too_complex(f"the name {'.'.join(parts)} is ambiguous")
            if found:
                return _fields(column(found[0].id), parts[2:])
        value = self._bare(parts[0])
        return None if value is None else _fields(value, parts[1:])

    def _bare(self, name: str) -> Expr | None:
        found = {output.id for item in self.items if (output := item.find(name))}
        merged = [each for each in self.merged if folded(each.name) == folded(name)]
        for each in merged:
            if found <= each.ids:
                return each.value
        if len(found) > 1 or merged:
            raise too_complex(f"the name {name} is ambiguous")
        return column(found.pop()) if found else None

    def all(self) -> list[tuple[str | None, Expr]]:
        """Return what `*` means: a column of USING comes once, at its first place."""
        seen: set[int] = set()
        columns: list[tuple[str | None, Expr]] = []
        for output in (output for item in self.items for output in item.columns):
            place = next((at for at, each in enumerate(self.merged) if output.id in each.ids), None)
            if place is None:
                columns.append((output.name, column(output.id)))
            elif place not in seen:
                seen.add(place)
                columns.append((output.name, self.merged[place].value))
        return columns

    def of(self, alias: str) -> list[tuple[str | None, Expr]]:
        """Return what `alias.*` means."""
        items = [each for each in self.items if _is_called(each, alias)]
        if len(items) != 1:
            raise too_complex(f"{alias}.* is not the columns of one table")
        return [(each.name, column(each.id)) for each in items[0].columns]

    def renamed(self, ids: Mapping[str, str]) -> Scope:
        """Return this scope over a relation that gives its columns other names."""
        return Scope(
            [
                Item(
                    item.alias,
                    tuple(Output(each.name, ids.get(each.id, each.id)) for each in item.columns),
                )
                for item in self.items
            ],
            [
                Merged(
                    each.name,
                    renamed([each.value], dict(ids))[0],
                    frozenset(ids.get(id, id) for id in each.ids),
                )
                for each in self.merged
            ],
            self.parent,
        )


def _is_called(item: Item, alias: str) -> bool:
    return item.alias is not None and folded(item.alias) == folded(alias)


def _fields(value: Expr, names: Sequence[str]) -> Expr:
    for name in names:
        value = exp.Dot(
            this=exp.Paren(this=value), expression=exp.Identifier(this=name, quoted=True)
        )
    return value
