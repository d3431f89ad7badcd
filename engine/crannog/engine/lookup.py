"""The tables that a text may name, as views of pinned versions in a scratch database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from crannog.engine.candidates import Candidates, candidates
from crannog.engine.prune import FEWEST_FILES, pruned_files
from crannog.engine.read import select_files
from crannog.engine.reading import Parameters, Reading, Run, reading
from crannog.engine.scratch import TEMPORARY
from crannog.engine.splice import Splice, SplicedText, offset_of, splice
from crannog.engine.system_tables import INFORMATION, NAMES, system_key
from crannog.engine.temporary import SCHEMA
from crannog.engine.view_columns import as_created
from crannog.errors import CrannogError, QueryError
from crannog.names import TableName, closest, did_you_mean, quote
from crannog.sql.places import Source, line_and_column
from crannog.sql.table_functions import TABLE_CHANGES, Argument, ChangesCall, find_calls
from crannog.sql.time_travel import AtSpan, find
from crannog.sql.tokens import Token, code_tokens, dotted_name, string_value

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Entry, State
    from crannog.engine.duck import Duck
    from crannog.engine.scratch import Scratch

_AT_SCHEMA = "@at"
_NO_SCHEMA = "does not exist because schema"
_NO_TABLE = re.compile(r'Table with name ("[^"]*") does not exist')
_VERSION = "write a number, as AT (VERSION => 3)"
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT"})


class Lookup:
    """Provide in one scratch database what a text may read of one state.

    Args:
        read: keys and digests of every table whose pin was looked up, for rebasing writes.
        temporary: names of the session's temporary tables that may be read.
    """

    def __init__(self, duck: Duck, scratch: Scratch, at: Reading) -> None:
        self.duck = duck
        self.scratch = scratch
        self.at = at
        self.read: dict[str, str] = {}
        self.temporary: set[str] = set()
        self.others: list[Scratch] = []
        self._spent: set[str] = set()
        self._made: set[str] = set()
        self._places = 0

    def close(self) -> None:
        """Close the scratch database and those of other states."""
        for other in self.others:
            other.close()
        self.scratch.close()

    def prepare(self, run: Run, pieces: Iterable[Splice] = ()) -> SplicedText:
        """Make every table that a statement may name and splice what DuckDB cannot read itself."""
        return self._part(run, run.statement.text, 0, pieces)

    def body(self, run: Run) -> SplicedText:
        """Do the same for the query inside a statement."""
        statement = run.statement
        return self._part(run, statement.body or "", statement.body_start or 0, ())

    def _part(self, run: Run, text: str, start: int, pieces: Iterable[Splice]) -> SplicedText:
        offset = run.statement.start + start
        tokens = code_tokens(text)
        try:
            _check_variables(text, tokens, run)
            replaced = list(pieces)
            spans = [span for span in find(text, tokens) if not _inside(span, replaced)]
            travels = [self._travel(span, run.params, text) for span in spans]
            calls = [call for call in find_calls(text, tokens) if not _inside(call, replaced)]
            travels += [self._changes(call, run.params, text) for call in calls]
            names = self._renamed(tokens, spans)
            names = [each for each in names if not _inside(each, replaced)]
            spliced = splice(text, [*replaced, *travels, *names])
            left = [token for token in tokens if not _inside(token, replaced)]
            self._provide(candidates(left), spliced.text)
        except CrannogError as error:
            if error.source == text and error.line is not None:
                place = offset + offset_of(text, error.line, error.column or 1)
                error.line, error.column = line_and_column(run.script, place)
                error.source, error.file = run.script, run.file
            raise
        return replace(spliced, source=run.script, offset=offset)

    def params(self, run: Run, text: SplicedText) -> Parameters | None:
        """Return the parameters that are left when time travel has taken its own."""
        if not self._spent or not isinstance(run.params, Mapping):
            return run.params
        tokens = code_tokens(text.text)
        named = {token.text[1:].lower() for token in tokens if token.kind == "param"}
        spent = {name for name in self._spent if name.lower() not in named}
        return {name: value for name, value in run.params.items() if name not in spent}

    def _provide(self, names: Candidates, text: str) -> None:
        """Make what the names may mean: tables and views of this state, system tables."""
        tables = self.at.state.tables
        self._provide_temporary(names)
        found = {key: tables[key] for key in names.table_keys() if key in tables}
        hidden = {TableName("main", name).key for name in self.temporary}
        hidden -= {pair.key for pair in names.pairs.values()}
        found = {key: entry for key, entry in found.items() if key not in hidden}
        # A view may read the same table: then all of its files are needed.
        alone = not names.inside and all(entry.kind != "view" for entry in found.values())
        alone = alone and not self.temporary
        for key, entry in found.items():
            self.table(key, entry, text if alone else None)
        for pair in names.pairs:
            if pair in NAMES:
                self.system(pair)

    def _provide_temporary(self, names: Candidates) -> None:
        """Make views of the session's temporary tables, which go before those of main."""
        kept = self.duck.temporary
        given = [*names.bare.values(), *(pair.name for pair in names.pairs.values())]
        for name in dict.fromkeys(filter(None, map(kept.find, given))):
            self.scratch.view(TableName(TEMPORARY, name), f"FROM {kept.place(name)}")
            self.temporary.add(name)

    def explained(self, error: CrannogError) -> CrannogError:
        """Let an error about an unknown table speak of the lake, not of the scratch database."""
        missing = error.code == "unknown_table" or _NO_SCHEMA in error.message
        if missing and error.line is not None and error.source is not None:
            start = offset_of(error.source, error.line, error.column or 1)
            parts = _name_at(error.source, start)
            if parts and named(parts).key not in self.at.state.tables:
                error.code = "unknown_table"
                error.message = f'table "{".".join(parts)}" does not exist'
                error.hint = table_hint(named(parts), self.at.state)
        return error

    def table(self, key: str, entry: Entry, text: str | None = None) -> None:
        """Make one table of this state under its own name.

        Args:
            text: the query, if nothing else reads the table: files that it can't need are left out.
        """
        if key in self._made:
            return
        self._made.add(key)
        self.read[key] = entry.digest
        lake, pin = self.at.lake, self.at.lake.pin(entry)
        name = TableName.parse(entry.name)
        if pin.kind == "view":
            self._view(name, pin)
            return
        files = None
        if text is not None and pin.files >= FEWEST_FILES:
            files = pruned_files(self.scratch, text, name, pin.columns, lake.files(pin))
        self.scratch.view(name, select_files(lake, pin, files, duck=self.duck))

    def system(self, name: tuple[str, str]) -> None:
        """Make a system table; its rows are those of this state."""
        key = ".".join(name)
        if key in self._made:
            return
        self._made.add(key)
        table = NAMES[name]
        place = TableName(INFORMATION if name[0] == "information_schema" else name[0], name[1])
        self.scratch.view(place, table.select(self.at))

    def _view(self, name: TableName, pin: Pin) -> None:
        body = self._body(name, pin.text or "")
        sql = as_created(self.scratch, pin, f"FROM {self._sql(body)}")
        self.scratch.view(name, sql)

    def view_columns(self, name: TableName, text: str) -> list[tuple[str, str]]:
        """Return names and types of the columns that a view of this text has."""
        return self.scratch.describe(f"FROM {self._sql(self._body(name, text))}")

    def _body(self, name: TableName, text: str) -> TableName:
        """Make a view in a schema of its own, in which its bare names mean what they mean to it."""
        tokens = code_tokens(text)
        found = candidates(tokens)
        private = f"@view {name.key}"
        spans = find(text, tokens, in_model=True)
        pieces = [self._travel(span, None, text) for span in spans]
        pieces += self._renamed(tokens, spans)
        for bare in found.bare.values():
            meant = self._meant(name, bare)
            if meant is not None:
                self.table(meant.key, self.at.state.tables[meant.key])
                self.scratch.view(TableName(private, bare), f"FROM {self._sql(meant)}")
        for pair in found.pairs.values():
            entry = self.at.state.tables.get(pair.key)
            if entry is not None and pair.key != name.key:
                self.table(pair.key, entry)
        body = TableName(private, "@body")
        spliced = splice(text, pieces)
        try:
            sql = f"SELECT * FROM (\n{spliced.text}\n)"
            self.scratch.view(body, sql)
        except QueryError as error:
            raise _broken(name, error) from error.__cause__
        return body

    def _meant(self, view: TableName, bare: str) -> TableName | None:
        for schema in (view.schema, "main"):
            key = TableName(schema, bare).key
            entry = self.at.state.tables.get(key)
            if entry is not None and key != view.key:
                return TableName.parse(entry.name)
        return None

    def _sql(self, name: TableName) -> str:
        return f"{quote(self.scratch.name)}.{name.sql}"

    def _renamed(self, tokens: Sequence[Token], spans: Iterable[AtSpan]) -> list[Splice]:
        """Splice schemas of our own that DuckDB keeps for itself: `information_schema`, `temp`."""
        taken = [(span.start, span.end) for span in spans]
        pieces = []
        for at in range(len(tokens) - 2):
            token = tokens[at]
            word = token.name.lower() if token.is_name and tokens[at + 1].text == "." else ""
            inside = any(start <= token.start < end for start, end in taken)
            if word == "information_schema" and not inside:
                pieces.append(Splice(token.start, token.end, quote(INFORMATION)))
            elif word == SCHEMA and not inside and self.duck.temporary.find(_after(tokens, at)):
                pieces.append(Splice(token.start, token.end, quote(TEMPORARY)))
        return pieces

    def _travel(self, span: AtSpan, params: Parameters | None, text: str) -> Splice:
        try:
            relation = self._travelled(span, params)
        except CrannogError as error:
            raise _placed(error, text, span.name_start, span.clause_end) from None
        alias = span.alias if span.alias is not None else quote(span.parts[-1])
        return Splice(span.start, span.end, f"{relation} AS {alias}{span.alias_columns or ''}")

    def _travelled(self, span: AtSpan, params: Parameters | None) -> str:
        """Return the relation that one AT clause means."""
        name = named(span.parts)
        value = self._constant(span, params)
        lake, here = self.at.lake, self.at.commit
        if span.kind == "version":
            if not isinstance(value, int):
                raise QueryError("bad_version", f"{span.constant} is not a version", hint=_VERSION)
            return self._pinned(lake.find_version(here, str(name), value))
        if span.kind == "timestamp":
            commit = lake.at_time(here, cast(datetime, value))
        else:
            commit = _ref(lake, span, str(value), self.at.branch)
        return self._in_state(name, reading(lake, commit, self.at.branch))

    def _constant(self, span: AtSpan, params: Parameters | None) -> object:
        if span.kind == "timestamp":
            return self._time(span.constant, params)
        return self._value(span.constant, params, span.constant)

    def _time(self, constant: str, params: Parameters | None) -> datetime:
        inner = f"CAST(({constant}) AS TIMESTAMPTZ)::VARCHAR"
        return _instant(str(self._value(inner, params, constant)))

    def _value(self, sql: str, params: Parameters | None, constant: str) -> object:
        """Evaluate an expression of a constant, which takes the parameters that it names."""
        used = _used(constant, params)
        self._spent |= set(used) if isinstance(used, Mapping) else set()
        value = self.scratch.fetchall(f"SELECT {sql}", used)[0][0]
        if value is None:
            raise QueryError("bad_constant", f"{constant} is NULL, which is no place in time")
        return value

    def _changes(self, call: ChangesCall, params: Parameters | None, text: str) -> Splice:
        """Make the relation that a call of table_changes gives."""
        from crannog.engine.changes.table_changes import changes_select

        first, last = (self._bound(each, params, text) for each in (call.first, call.last))
        try:
            name = TableName.parse(call.table)
            select = changes_select(self.at.lake, self.duck, self.at.commit, name, first, last)
        except CrannogError as error:
            if error.code == "unknown_table":
                error = unknown_table(TableName.parse(call.table), self.at.state)
            raise _placed(error, text, call.start, call.end) from None
        entry = self.at.state.tables.get(name.key)
        if entry is not None:
            self.read[name.key] = entry.digest
        alias = "" if call.named else f" AS {TABLE_CHANGES}"
        return Splice(call.start, call.end, f"{self._view_of(name.name, select)}{alias}")

    def _bound(self, given: Argument, params: Parameters | None, text: str) -> int | datetime:
        """Return the version or the instant that an argument of table_changes means."""
        try:
            kind = str(self._value(f"typeof(({given.text}))", params, given.text))
            if kind in _INTEGERS:
                return int(str(self._value(given.text, params, given.text)))
            if kind == "VARCHAR" or kind.startswith(("DATE", "TIMESTAMP", '"NULL"')):
                return self._time(given.text, params)
            raise QueryError("bad_version", f"{given.text} is neither a version nor a time")
        except CrannogError as error:
            raise _placed(error, text, given.start, given.end) from None

    def _in_state(self, name: TableName, at: Reading) -> str:
        system = system_key(name)
        entry = at.state.tables.get(name.key)
        if system is None and entry is None:
            raise unknown_table(name, at.state, when=f"at commit {at.commit.id[:7]}")
        if system is None and entry is not None and entry.kind != "view":
            return self._pinned(at.lake.pin(entry))
        other = Lookup(self.duck, self.duck.scratch(), at)
        self.others.append(other.scratch)
        if system is not None:
            other.system(system)
            schema = INFORMATION if system[0] == "information_schema" else system[0]
            name = TableName(schema, system[1])
        elif entry is not None:
            other.table(name.key, entry)
        self.others += other.others
        return other._sql(name)

    def _pinned(self, pin: Pin) -> str:
        return self._view_of(pin.name, select_files(self.at.lake, pin, duck=self.duck))

    def _view_of(self, name: str, select: str) -> str:
        """Give a SELECT a name that no text can have, and return it."""
        self._places += 1
        place = TableName(_AT_SCHEMA, f"{name} {self._places}")
        self.scratch.view(place, select)
        return self._sql(place)


def _after(tokens: Sequence[Token], at: int) -> str:
    """Return the name after a dot, "" where none comes."""
    token = tokens[at + 2]
    return token.name if token.is_name else ""


def _inside(part: AtSpan | ChangesCall | Splice | Token, pieces: Sequence[Splice]) -> bool:
    """Say whether a part of a text goes with a piece that is replaced."""
    return any(each.start <= part.start < each.end for each in pieces)


def _broken(view: TableName, error: QueryError) -> QueryError:
    """Say that a view can't be read any more; places in its text are none in the user's."""
    message = error.message
    if error.code == "broken_view":
        return error
    gone = _NO_TABLE.match(message)
    if gone is not None:
        message = f"table {gone[1]} does not exist"
    return QueryError(
        "broken_view",
        f"view {view} cannot be read: {message}",
        hint="build or create it again, or read it AT a commit at which its inputs were there",
    )


def unknown_table(name: TableName, state: State, *, when: str = "") -> QueryError:
    """Say that a table does not exist, and which one was probably meant."""
    where = f" {when}" if when else ""
    return QueryError(
        "unknown_table",
        f'table "{str(name).removeprefix("main.")}" does not exist{where}',
        hint=table_hint(name, state),
    )


def named(parts: Sequence[str]) -> TableName:
    """Return the table that a name of one or two parts means."""
    return TableName(parts[-2] if len(parts) > 1 else "main", parts[-1])


def _name_at(text: str, start: int) -> tuple[str, ...]:
    tokens = code_tokens(text, lenient=True)
    for index, token in enumerate(tokens):
        if token.start <= start < token.end and token.is_name:
            parts, _ = dotted_name(tokens, index)
            return parts if len(parts) < 3 else ()
    return ()


def table_hint(name: TableName, state: State) -> str:
    """Return what was probably meant by a name that is no table."""
    tables = [TableName.parse(entry.name) for entry in state.tables.values()]
    if not tables:
        return "the lake has no tables yet"
    own = {each.name: each for each in tables if each.schema.lower() == name.schema.lower()}
    others = {each.name: each for each in tables}
    for known in (own, others):
        found = closest(name.name, known)
        if found is not None:
            meant = known[found]
            shown = str(meant)
            return f'did you mean "{shown.removeprefix("main.") if known is own else shown}"?'
    return "SHOW TABLES lists them"


def _ref(lake: Lake, span: AtSpan, value: str, branch: str) -> Commit:
    if span.kind == "commit":
        return lake.resolve(value, branch=branch)
    refs = lake.tags() if span.kind == "tag" else lake.branches()
    for ref in refs:
        if ref.name == value:
            return lake.commit(ref.commit)
    meant = closest(value, [ref.name for ref in refs])
    hint = f'did you mean "{meant}"?' if meant else f"`crannog {span.kind} list` shows them"
    raise QueryError(f"unknown_{span.kind}", f"there is no {span.kind} {value!r}", hint=hint)


def _check_variables(text: str, tokens: Sequence[Token], run: Run) -> None:
    """Refuse a variable that nobody set: DuckDB would take it for NULL."""
    known = {name.lower() for name in run.variables}
    for call, opening, name in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if call.word != "getvariable" or opening.text != "(" or name.kind != "string":
            continue
        if string_value(name).lower() not in known:
            raise Source().error(
                text,
                name.start,
                name.end,
                code="unknown_variable",
                message=f"variable {string_value(name)!r} is not set",
                hint=did_you_mean(string_value(name), run.variables)
                or "set it in [vars] of crannog.toml, or with --var NAME=VALUE",
            )


def _instant(text: str) -> datetime:
    if text == "infinity":
        return datetime.max.replace(tzinfo=UTC)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _used(constant: str, params: Parameters | None) -> Parameters | None:
    """Return those parameters that a constant names."""
    found = [token.text for token in code_tokens(constant) if token.kind == "param"]
    if not found:
        return None
    if isinstance(params, Mapping):
        names = {name[1:].lower() for name in found}
        return {name: value for name, value in params.items() if name.lower() in names}
    raise QueryError(
        "positional_parameter",
        "a time travel clause takes named parameters only",
        hint="write $name and give a mapping",
    )


def _placed(error: CrannogError, text: str, start: int, end: int) -> CrannogError:
    """Point an error of the catalog at a clause: what a statement says is no wrong use."""
    return Source().error(
        text,
        start,
        end,
        code=error.code,
        message=error.message,
        hint=error.hint,
    )
