"""Reads relations at one version or another, restricted to rows that may matter."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from crannog.names import quote
from crannog.sql.refresh.affected_pieces import Piece
from crannog.sql.refresh.loose import loosened
from crannog.sql.refresh.program import Version, versioned
from crannog.sql.refresh.pushing import Condition, Locality
from crannog.sql.refresh.relation import Relation, scans
from crannog.sql.refresh.render import render
from crannog.sql.refresh.restricting import Program, Restricting


class Reading:
    """Read relations for one refresh.

    Args:
        changed: the places whose rows changed.
    """

    def __init__(self, locality: Locality, program: Program, changed: Collection[str]) -> None:
        self.locality = locality
        self.program = program
        self._changed = frozenset(changed)

    def touched(self, node: Relation) -> set[str]:
        """Return the changed places that a relation reads."""
        return {scan.place for scan in scans(node)} & self._changed

    def possible(
        self, node: Relation, wanted: Iterable[str], conditions: Sequence[Condition]
    ) -> Piece:
        """Return rows with at least the values in some columns that there were before or are now.

        Only those are complete that meet the conditions.
        """
        loose = loosened(node, wanted)
        if loose is not None:
            tables = self._restricted(loose, conditions)
            return self._rows(loose, tables, "both")
        if not self.touched(node):
            return self._rows(node, self._restricted(node, conditions), "new")
        old, new = self.before_and_after(node, conditions)
        return Piece(f"{old.text} UNION ALL {new.text}", old.reads | new.reads)

    def before_and_after(
        self, node: Relation, conditions: Sequence[Condition]
    ) -> tuple[Piece, Piece]:
        """Return the rows of a relation as they were and are, right where they meet conditions."""
        tables = self._restricted(node, conditions)
        columns = {scan.place: scan.names for scan in scans(node)}
        for scan in scans(node):
            columns[scan.place] = tuple(dict.fromkeys((*columns[scan.place], *scan.names)))
        old, new = dict(tables), dict(tables)
        for place in sorted(self.touched(node) & tables.keys()):
            old[place] = self._without(tables[place], place, columns[place], "plus")
            new[place] = self._without(tables[place], place, columns[place], "minus")
        return self._rows(node, old, "old"), self._rows(node, new, "new")

    def changes(self, node: Relation) -> list[Piece]:
        """Return what a relation, each row of which is from one row of a table, lost and got."""
        place = next(scans(node)).place
        found: list[Piece] = []
        signs: tuple[Version, Version] = ("plus", "minus")
        for version in signs:
            names = {place: versioned(place, version)}
            found.append(Piece(rendered(node, names), frozenset({(place, version)})))
        return found

    def _restricted(self, node: Relation, conditions: Sequence[Condition]) -> dict[str, str]:
        versions = {scan.place: self._version(scan.place, "both") for scan in scans(node)}
        return Restricting(node, self.locality, self.program, versions).run(conditions)

    def _version(self, place: str, version: Version) -> Version:
        return version if place in self._changed else "new"

    def _without(self, table: str, place: str, columns: Sequence[str], sign: Version) -> str:
        """Make the rows that there were on one side: all, without those only on the other."""
        listed = ", ".join(quote(name) for name in columns)
        text = (
            f"SELECT {listed} FROM {quote(table)} EXCEPT ALL "
            f"SELECT {listed} FROM {versioned(place, sign)}"
        )
        return self.program.make(text, frozenset({(place, sign)}))

    def _rows(self, node: Relation, tables: Mapping[str, str], version: Version) -> Piece:
        names: dict[str, str] = {}
        reads: set[tuple[str, Version]] = set()
        for scan in scans(node):
            if scan.place in tables:
                names[scan.place] = quote(tables[scan.place])
                continue
            read = self._version(scan.place, version)
            names[scan.place] = versioned(scan.place, read)
            reads.add((scan.place, read))
        return Piece(rendered(node, names), frozenset(reads))


def rendered(node: Relation, names: Mapping[str, str]) -> str:
    """Return a relation's SQL over tables of other names, quoted as they are."""
    return render(node, lambda scan: names[scan.place])
