"""The table that a statement changes: where its affected rows lie, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

from crannog.engine.dml.explain import told
from crannog.engine.dml.pieces import PLACE
from crannog.engine.dml.refused import refuse
from crannog.engine.dml.returning import kept_rows
from crannog.engine.edit import Edit, TableEdit, existing, lookup_at, target_of
from crannog.engine.prune import pruned_files
from crannog.engine.read import select_files
from crannog.engine.splice import Splice, SplicedText
from crannog.engine.write import write_files
from crannog.errors import CrannogError, QueryError
from crannog.names import TableName, literal, quote
from crannog.sql.tokens import code_tokens

if TYPE_CHECKING:
    from crannog.catalog.changes_kept import KeptChanges
    from crannog.catalog.delta_log import DataFile
    from crannog.engine.reading import Parameters, Reading, Run
    from crannog.engine.result import Result
    from crannog.engine.scratch import Scratch
    from crannog.sql.tokens import Token
    from crannog.types import Column

_TOUCHED = TableName("main", "@touched")


class Target:
    """Hold a table that a statement changes, beside the databases in which DuckDB evaluates it.

    `lookup` is what the statement reads: the lake before it. `rows` holds the affected rows in a
    table of the target's name and columns, on which the statement itself is run; `places` holds a
    view of the target that says where each row lies, and the affected places.
    """

    def __init__(self, run: Run, at: Reading) -> None:
        self.run = run
        self.at = at
        self.name = target_of(run)
        self.entry = existing(run, at, self.name)
        self.pin = at.lake.pin(self.entry)
        refuse(run, self.pin)
        self.table = TableName.parse(self.entry.name)
        self.lookup = lookup_at(run, at)
        self.lookup.scratch.search("main")
        self.listed = ", ".join(quote(column.name) for column in self.pin.columns)

    @cached_property
    def live(self) -> tuple[DataFile, ...]:
        """The files of the target."""
        return self.at.lake.files(self.pin)

    @cached_property
    def rows(self) -> Scratch:
        """The database of the table that the statement is run on."""
        return self._other()

    @cached_property
    def places(self) -> Scratch:
        """The database of the view that says where rows lie."""
        return self._other()

    @property
    def rows_sql(self) -> str:
        """The table that the statement is run on."""
        return f"{self.rows.name}.{self.table.sql}"

    @property
    def places_sql(self) -> str:
        """The view of the target that says where each row lies."""
        return f"{self.places.name}.{self.table.sql}"

    @property
    def touched(self) -> str:
        """The table of affected places."""
        return f"{self.places.name}.{_TOUCHED.sql}"

    def _other(self) -> Scratch:
        made = self.run.duck.scratch()
        self.lookup.others.append(made)
        return made

    def text(self, pieces: Sequence[Splice] = ()) -> SplicedText:
        """Return the statement with pieces replaced; parameters keep their numbers."""
        inside = [(each.start, each.end) for each in pieces]
        numbers = [
            Splice(token.start, token.end, f"${number}")
            for token, number in _counted(self.run)
            if not any(start <= token.start < end for start, end in inside)
        ]
        text = self.lookup.prepare(self.run, [*pieces, *numbers])
        if self.lookup.temporary:
            # Temporary tables go before those of main, and it is known only now that there are any.
            self.lookup.scratch.search("main")
        return text

    def params(self, text: SplicedText) -> Parameters | None:
        """Return those parameters that a text uses."""
        given = self.run.params or ()
        if not isinstance(given, Mapping):
            given = {str(number): value for number, value in enumerate(given, 1)}
        tokens = code_tokens(text.text)
        used = {token.text[1:].lower() for token in tokens if token.kind == "param"}
        return {name: each for name, each in given.items() if name.lower() in used} or None

    def execute(self, before: str, text: SplicedText) -> list[tuple[object, ...]]:
        """Run a text behind some words of ours; errors point into the user's own."""
        sql = f"{before}{text.text}"
        return self.lookup.scratch.fetchall(
            sql, self.params(text), place=text.place(sql, self.run.file)
        )

    def check(self, text: SplicedText) -> None:
        """Let DuckDB bind the statement to an empty table: what is wrong with it is told now."""
        self.rows.empty_table(self.table, self.pin.columns, strict=True)
        self.execute("EXPLAIN ", text)

    def find(self, text: SplicedText, alone: str | None = None) -> None:
        """Keep the places that a query names.

        Args:
            alone: the query with `PRUNED` as its target: files that it can't need are not
                read.
        """
        self.see(alone)
        self.execute(f"CREATE TABLE {self.touched} AS ", text)

    def see(self, alone: str | None = None) -> None:
        """Make the view of the target with places."""
        files = self.live
        if alone is not None:
            name = TableName("main", "@target")
            files = pruned_files(self.lookup.scratch, alone, name, self.pin.columns, files)
        self.places.view(self.table, self.read(files, positions=True))

    def read(self, files: Sequence[DataFile], *, positions: bool = False) -> str:
        """Return the SELECT of the rows of some files."""
        duck, lake = self.run.duck, self.at.lake
        return select_files(lake, self.pin, files, duck=duck, positions=positions)

    def affected(self, chosen: str = "true") -> dict[DataFile, int]:
        """Return the files that hold an affected row, with the number of those rows."""
        file = PLACE.partition(",")[0]
        rows = self.lookup.scratch.fetchall(
            f"SELECT {file}, count(*) FROM {self.touched} WHERE {chosen} GROUP BY ALL"
        )
        store, location = self.at.lake.store, self.pin.location
        urls = {store.uri(f"{location}/{file.path}"): file for file in self.live}
        return {urls[str(url)]: cast(int, count) for url, count in rows}

    def fill(self) -> None:
        """Fill the table that the statement is run on with all rows there are."""
        self.rows.empty_table(self.table, self.pin.columns, strict=True)
        self.lookup.scratch.execute(f"INSERT INTO {self.rows_sql} {self.read(self.live)}")

    def fill_affected(self, chosen: str = "true") -> None:
        """Add the affected rows, or some of them, to the table that the statement is run on."""
        files = list(self.affected(chosen))
        places = f"(SELECT {PLACE} FROM {self.touched} WHERE {chosen}) AS p"
        self.lookup.scratch.execute(
            f"INSERT INTO {self.rows_sql} SELECT {self.listed} "
            f"FROM ({self.read(files, positions=True)}) AS t SEMI JOIN {places} USING ({PLACE})"
        )

    def last_row(self) -> int:
        """Return the number of the last of those rows; -1 where there is none."""
        rows = self.lookup.scratch.fetchall(f"SELECT max(rowid) FROM {self.rows_sql}")
        return cast(int, rows[0][0]) if rows[0][0] is not None else -1

    def change(self, text: SplicedText, *, hidden: Sequence[str] = ()) -> tuple[int, Result | None]:
        """Run the statement; returns its count of rows, and those of RETURNING."""
        if self.run.statement.clause("returning") is None:
            [(count,)] = self.execute("", text)
            return cast(int, count), None
        columns, rows = self.lookup.scratch.answer(
            text.text, self.params(text), place=text.place(text.text, self.run.file)
        )
        return rows.num_rows, kept_rows(self.run, self.at, columns, rows, hidden)

    def untouched(self, affected: Mapping[DataFile, int], chosen: str = "true") -> list[str]:
        """Return the SELECT of what stays of the affected files; none where nothing does."""
        partly = [file for file, count in affected.items() if count < file.rows]
        if not partly:
            return []
        live = self.read(partly, positions=True)
        places = f"(SELECT {PLACE} FROM {self.touched} WHERE {chosen}) AS p"
        return [f"SELECT {self.listed} FROM ({live}) AS t ANTI JOIN {places} USING ({PLACE})"]

    @property
    def checked(self) -> str:
        """The columns as a select list that fails where one must not be NULL."""
        return ", ".join(not_null(self.pin.name, column) for column in self.pin.columns)

    def write(
        self, selects: Sequence[str], text: SplicedText | None = None
    ) -> tuple[DataFile, ...]:
        """Write rows as new files of the table.

        Args:
            text: what of the user's lies in the selects.
        """
        if not selects:
            return ()
        assert self.pin.location is not None
        select = " UNION ALL ".join(selects)
        return tuple(
            write_files(
                self.lookup.scratch,
                self.at.lake,
                select,
                self.pin.location,
                self.pin.columns,
                None if text is None else self.params(text),
                place=None if text is None else text.place(select, self.run.file),
            )
        )

    def edit(
        self,
        count: int,
        adds: tuple[DataFile, ...],
        removes: Sequence[DataFile] | None,
        returned: Result | None = None,
        changes: KeptChanges | None = None,
    ) -> Edit:
        """Return what the statement does; without `removes` nothing that was there stays."""
        word = self.run.statement.word.upper()
        gone: tuple[DataFile, ...] | Literal["all"] = "all" if removes is None else tuple(removes)
        read = {**self.lookup.read, self.name.key: self.entry.digest}
        if not adds and not gone:
            return Edit(word, count, read=read, returned=returned)
        table = TableEdit(
            self.pin, self.pin, adds=adds, removes=gone, operation=word, changes=changes
        )
        return Edit(word, count, {self.name.key: table}, read, returned)

    def explained(self, error: CrannogError) -> CrannogError:
        """Let an error speak of the lake's table, and name the column that is at fault."""
        if isinstance(error, QueryError):
            error = told(self.run, self.table, self.pin.columns, error)
        return self.lookup.explained(error)


def not_null(table: str, column: Column, value: str | None = None) -> str:
    """Return a column of a select list that fails where it is NULL and must not be."""
    name = quote(column.name)
    value = value or name
    if not column.nullable:
        message = literal(f"column {name} of {table} is NOT NULL")
        value = f"coalesce({value}, error({message}))"
    return f"{value} AS {name}"


@contextmanager
def opened(run: Run, at: Reading) -> Iterator[Target]:
    """Open the table that a statement changes."""
    target = Target(run, at)
    try:
        yield target
    except CrannogError as error:
        raise target.explained(error) from error.__cause__
    finally:
        target.lookup.close()


def _counted(run: Run) -> Iterator[tuple[Token, int]]:
    """Yield the parameters without a name, with the number that each has in the statement."""
    number = 0
    for token in run.statement.tokens:
        if token.kind == "param" and token.text.startswith("?"):
            number = int(token.text[1:]) if token.text[1:] else number + 1
            yield token, number
