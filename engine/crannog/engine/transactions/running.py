"""Running a session's statements: each as its own commit, or inside the open transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING

from crannog.engine.reading import Reading, Run, reading
from crannog.engine.refusals import not_yet, refusal, refuse
from crannog.engine.result import Outcome, Result
from crannog.engine.standalone import ALONE, Door, run_alone
from crannog.errors import CrannogError, QueryError, UsageError
from crannog.sql.statements import StatementKind

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.engine.config import Settings
    from crannog.engine.handles import Handles
    from crannog.engine.transactions.transaction import Transaction

_STEPS = frozenset({StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK})


class Running:
    """Run statements for one session; those of an open transaction one at a time.

    Args:
        newest: returns the commit that a query would read outside of a transaction.
        use: makes the session go on with other settings.
    """

    def __init__(
        self,
        settings: Settings,
        handles: Handles,
        newest: Callable[[], Commit],
        use: Callable[[Settings], None],
    ) -> None:
        self.transaction: Transaction | None = None
        self.settings = settings
        self._use = use
        self._handles = handles
        self._newest = newest
        self._opening = RLock()

    def reading(self) -> Reading:
        """Return what a query would read now."""
        transaction = self.transaction
        if transaction is not None:
            return transaction.reading()
        return self._opened(create=False)

    def run(self, run: Run) -> Result | Outcome:
        """Run a statement."""
        from crannog.engine.queries import READS, answer
        from crannog.engine.session_tables import is_temporary, run_temporary

        kind = run.statement.kind
        if kind in _STEPS:
            return self._step(run)
        while (transaction := self.transaction) is not None:
            with transaction.lock:
                if not transaction.over:
                    return self._inside(transaction, run)
        if kind in READS:
            return answer(run, self.reading())
        if kind in ALONE:
            return self._alone(run)
        if is_temporary(run):
            return replace(run_temporary(run, self.reading()), temporary=True)
        self._check_write(run)
        from crannog.engine.edit import commit
        from crannog.engine.writes import CREATES, WRITES

        return commit(run, self._handles.lake_to_write(create=kind in CREATES), WRITES[kind])

    def roll_back(self, transaction: Transaction | None) -> Outcome:
        """End a transaction as if it had never been."""
        if transaction is not None:
            with transaction.lock:
                try:
                    if not transaction.over:
                        transaction.rollback()
                finally:
                    self._forget_ended(transaction)
        return Outcome("ROLLBACK", None, None)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Let an open transaction take only ROLLBACK after what fails in it."""
        transaction = self.transaction
        try:
            yield
        except BaseException:
            if transaction is not None:
                transaction.failed = True
            raise

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Roll back a transaction that is still open at the end, and was not at the start."""
        before = self.transaction
        try:
            yield
        except CrannogError as error:
            if self._roll_back_new(before):
                error.hint = _with_rollback(error.hint)
            raise
        except BaseException:
            self._roll_back_new(before)
            raise
        if self._roll_back_new(before):
            raise QueryError(
                "transaction_open",
                "the transaction was still open at the end, and is rolled back",
                hint="end it with COMMIT",
            )

    def refuse_inside(self) -> None:
        """Refuse what makes a commit of its own while a transaction is open."""
        if self.transaction is not None:
            raise QueryError(
                "in_transaction",
                "a transaction is open, and this makes a commit of its own",
                hint="COMMIT or ROLLBACK first",
            )

    def _inside(self, transaction: Transaction, run: Run) -> Result | Outcome:
        from crannog.engine.queries import READS
        from crannog.engine.session_tables import is_temporary, run_temporary

        if transaction.failed:
            raise _failed(run)
        if run.statement.kind in ALONE | {StatementKind.EXPLAIN_REFRESH}:
            word = run.statement.word.upper()
            hint = "COMMIT or ROLLBACK first"
            raise refusal(run, "in_transaction", f"{word} cannot be part of a transaction", hint)
        if run.statement.kind in READS:
            return transaction.answer(run)
        if is_temporary(run):
            return replace(run_temporary(run, transaction.reading()), temporary=True)
        self._check_write(run)
        if transaction.read_only:
            raise refusal(
                run, "read_only", "this transaction only reads", "BEGIN without READ ONLY"
            )
        return transaction.write(run)

    def _alone(self, run: Run) -> Outcome:
        self._check_open(run)
        return run_alone(run, Door(self.settings, self._handles, self._newest, self._use))

    def _check_write(self, run: Run) -> None:
        self._check_open(run)
        from crannog.engine.writes import WRITES

        if run.statement.kind not in WRITES:
            raise not_yet(run)

    def _check_open(self, run: Run) -> None:
        """Refuse by name what is not run, and all that writes where only the past is read."""
        refuse(run)
        if self.settings.at is not None:
            raise UsageError(
                "read_only",
                f"this session looks at {self.settings.at}, where nothing can be written",
                hint="leave out --at (or at=) to write to the branch",
            )

    def _step(self, run: Run) -> Outcome:
        """Open or end a transaction."""
        kind = run.statement.kind
        _check_words(run)
        with self._opening:
            transaction = self.transaction
            if kind is StatementKind.BEGIN:
                return self._begin(run)
        if transaction is None:
            raise _none_open(run)
        with transaction.lock:
            if transaction.over:
                raise _none_open(run)
            if kind is StatementKind.ROLLBACK:
                return self.roll_back(transaction)
            if transaction.failed:
                raise _failed(run)
            try:
                outcome = transaction.publish(run)
                run.duck.temporary.commit(transaction)
                return outcome
            finally:
                self._forget_ended(transaction)

    def _begin(self, run: Run) -> Outcome:
        from crannog.engine.transactions.transaction import Transaction

        if self.transaction is not None:
            hint = "COMMIT or ROLLBACK the one before"
            raise refusal(run, "in_transaction", "a transaction is open already", hint)
        read_only = run.statement.clause("read only") is not None
        self.transaction = Transaction(self._opened, read_only=read_only)
        run.duck.temporary.begin(self.transaction)
        return Outcome("BEGIN", None, None)

    def _opened(self, create: bool) -> Reading:
        create = create and self.settings.at is None
        lake = self._handles.lake_to_write(create=True) if create else self._handles.lake
        return reading(lake, self._newest(), self.settings.branch)

    def _forget_ended(self, transaction: Transaction) -> None:
        if transaction.over and self.transaction is transaction:
            self.transaction = None
            self._handles.duck.temporary.rollback(transaction)

    def _roll_back_new(self, before: Transaction | None) -> bool:
        now = self.transaction
        if now is None or now is before:
            return False
        self.roll_back(now)
        return True


def _check_words(run: Run) -> None:
    rest = run.statement.clause("rest")
    if rest is not None:
        said = run.statement.text[rest.start : rest.end]
        word = run.statement.word.upper()
        hint = "BEGIN [TRANSACTION] [READ ONLY], COMMIT and ROLLBACK are all there is"
        raise refusal(run, "syntax_error", f"{word} does not take {said!r}", hint)


def _none_open(run: Run) -> QueryError:
    word = run.statement.word.upper()
    message = f"there is no transaction, and so nothing to {word}"
    return refusal(run, "no_transaction", message, "BEGIN opens one")


def _failed(run: Run) -> QueryError:
    message = "a statement of this transaction failed, and so it takes only ROLLBACK"
    return refusal(run, "transaction_failed", message, "ROLLBACK")


def _with_rollback(hint: str | None) -> str:
    told = "the transaction is rolled back"
    return told if hint is None else f"{hint} ({told})"
