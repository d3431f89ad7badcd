"""A simulated store, clock and scheduler: writers in threads, of which one runs at a time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock, Thread, local
from typing import Literal, TypeVar

from crannog.catalog.store import ObjectInfo, ObjectNotFound, OutcomeUnknown
from crannog.errors import StorageError

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
REFS = "_crannog/refs/"
LAST_LINES = 60

READ_FAULTS = ("error",)
PUT_FAULTS = ("error", "lost", "late", "double")
CREATION_FAULTS = ("error", "before", "lost", "echo")
"""What may happen to the making of a branch: one that came late would bring a deleted one back."""

CONDITIONAL_FAULTS = ("error", "before", "lost", "late", "double", "echo")
"""What may happen to a conditional write.

error: it is refused, and never arrives. before: lost on its way. lost: it arrives, its answer does
not. late: it arrives at a later step, perhaps after its writer gave up. double: it arrives, is
answered, and arrives once more later. echo: something between sends it twice, and the second
answer, that of a lost race, is the one that comes back.
"""


class Killed(BaseException):
    """Stand for a process that ends here and now: no handler of the product may catch it."""


class Violation(AssertionError):
    """Say which promise the product broke."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Say how rough one schedule is; each seed has its own mix, so that rare mixes come up."""

    tokens: Literal["content", "generation"] = "content"
    writers: int = 3
    operations: int = 3
    fault: float = 0.0
    kill: float = 0.0
    interrupt: float = 0.0
    outage: float = 0.0
    slow: float = 0.0
    deliver: float = 0.2
    kinds: frozenset[str] = frozenset(CONDITIONAL_FAULTS)
    recreate: bool = False
    returns: bool = False
    foreign: bool = False
    fresh: bool = False
    skew: bool = False


RESETS = Profile(
    writers=2,
    operations=5,
    fault=0.15,
    deliver=0.03,
    kinds=frozenset({"late", "double"}),
    recreate=True,
)
"""A branch that is made again and again at one commit, and writes that come very late."""


RETURNS = Profile(writers=1, operations=14, returns=True)
"""One table that is dropped, comes back and goes on, on two branches that merge."""

STRANGERS = Profile(writers=3, operations=3, foreign=True)
"""Another program that writes into a table of ours."""


def profile_of(chance: random.Random) -> Profile:
    """Draw a profile: some schedules are calm, some have one kind of fault, some have all."""
    special = chance.random()
    if special < 0.3:
        return RESETS if special < 0.2 else RETURNS
    kinds = [kind for kind in CONDITIONAL_FAULTS if chance.random() < 0.6]
    return Profile(
        tokens=chance.choice(["content", "generation"]),
        writers=chance.choice([2, 2, 3, 3, 4]),
        operations=chance.choice([1, 2, 3, 4]),
        fault=chance.choice([0.0, 0.02, 0.05, 0.1, 0.25]),
        kill=chance.choice([0.0, 0.0, 0.01, 0.03]),
        interrupt=chance.choice([0.0, 0.0, 0.01]),
        outage=chance.choice([0.0, 0.0, 0.01]),
        slow=chance.choice([0.0, 0.0, 0.02, 0.1]),
        deliver=chance.choice([0.02, 0.1, 0.3]),
        kinds=frozenset(kinds or CONDITIONAL_FAULTS),
        recreate=chance.random() < 0.2,
        foreign=chance.random() < 0.1,
        fresh=chance.random() < 0.2,
        skew=chance.random() < 0.2,
    )


@dataclass(slots=True)
class Actor:
    """Hold one thread of the simulation: when it may run on, and the lock that it waits at."""

    name: str
    gate: Lock = field(default_factory=Lock)
    wakes: float = 0.0
    done: bool = False
    outage_until: float = -1.0


class World:
    """Hold every object, the time, and what is still on its way; all of it follows the seed."""

    def __init__(self, chance: random.Random, profile: Profile) -> None:
        self.chance = chance
        self.profile = profile
        self.objects: dict[str, bytes] = {}
        self.generations: dict[str, int] = {}
        self.writes = 0
        self.now = 0.0
        self.steps = 0
        self.late: list[Callable[[], object]] = []
        self.foreign: set[str] = set()
        self.trace: list[str] = []
        self.digest = hashlib.sha256()
        self.violation: BaseException | None = None
        self.watch: Callable[[str, str, bytes | None, bytes | None], None] = _unwatched
        self._actors: list[Actor] = []
        self._here = local()
        self._main = Lock()

    def say(self, line: str) -> None:
        """Note a step; the digest of all of them tells two runs of one seed apart."""
        self.trace.append(line)
        self.digest.update(line.encode())
        if len(self.trace) > 4 * LAST_LINES:
            del self.trace[: 2 * LAST_LINES]

    def clock(self, skew: float) -> Callable[[], datetime]:
        """Return a clock that is so many seconds off."""
        return lambda: EPOCH + timedelta(seconds=self.now + skew)

    # What the store holds

    def token(self, key: str) -> str | None:
        if key not in self.objects:
            return None
        if self.profile.tokens == "generation":
            return str(self.generations[key])
        return hashlib.md5(self.objects[key]).hexdigest()

    def write(self, key: str, data: bytes, verb: str) -> None:
        before = self.objects.get(key)
        self.writes += 1
        self.objects[key] = data
        self.generations[key] = self.writes
        self._told(verb, key, before, data)

    def write_if(self, key: str, data: bytes, token: str | None, verb: str) -> bool:
        if self.token(key) != token:
            return False
        self.write(key, data, verb)
        return True

    def remove(self, key: str) -> None:
        before = self.objects.pop(key, None)
        if before is not None:
            self._told("delete", key, before, None)

    def _told(self, verb: str, key: str, before: bytes | None, after: bytes | None) -> None:
        try:
            self.watch(verb, key, before, after)
        except Violation as error:
            self.violation = self.violation or error

    def deliver(self) -> None:
        """Let one of the late requests arrive."""
        arrives = self.late.pop(self.chance.randrange(len(self.late)))
        self.say(f"{self.steps} late arrives: {arrives()}")

    # Who runs

    def run(self, works: Sequence[tuple[str, Callable[[], None]]]) -> None:
        """Run works side by side until all have ended."""
        self._actors = [Actor(name) for name, _ in works]
        threads = []
        self._main.acquire()
        for actor, (_, work) in zip(self._actors, works, strict=True):
            actor.gate.acquire()
            threads.append(Thread(target=self._live, args=(actor, work), daemon=True))
        for thread in threads:
            thread.start()
        self._pass_on()
        self._main.acquire()
        self._main.release()
        for thread in threads:
            thread.join()

    def _live(self, actor: Actor, work: Callable[[], None]) -> None:
        self._here.actor = actor
        actor.gate.acquire()
        try:
            with suppress(Killed):
                work()
        except BaseException as error:
            self.violation = self.violation or error
        actor.done = True
        self._pass_on()

    def _pass_on(self) -> None:
        chosen = self._next()
        (self._main if chosen is None else chosen.gate).release()

    def _next(self) -> Actor | None:
        alive = [actor for actor in self._actors if not actor.done]
        if not alive:
            return None
        ready = [actor for actor in alive if actor.wakes <= self.now]
        if not ready:
            self.now = min(actor.wakes for actor in alive)
            ready = [actor for actor in alive if actor.wakes <= self.now]
        return ready[self.chance.randrange(len(ready))]

    @property
    def actor(self) -> Actor:
        return self._here.actor  # type: ignore[no-any-return]

    @property
    def inside(self) -> bool:
        """Whether this thread is one of the simulation."""
        return getattr(self._here, "actor", None) is not None

    def turn(self) -> None:
        """Let somebody else run, or not; time goes by, and late requests arrive."""
        actor = self.actor
        self.steps += 1
        self.now += self.chance.random() * 0.02
        if self.profile.slow and self.chance.random() < self.profile.slow:
            actor.wakes = self.now + self.chance.choice([0.5, 5.0, 60.0, 130.0])
        while self.late and self.chance.random() < self.profile.deliver:
            self.deliver()
        chosen = self._next()
        if chosen is not actor and chosen is not None:
            chosen.gate.release()
            actor.gate.acquire()
        if self.violation is not None:
            raise Killed

    def sleep(self, seconds: float) -> None:
        if self.inside:
            self.actor.wakes = self.now + seconds
            self.turn()

    def monotonic(self) -> float:
        return self.now


def _unwatched(verb: str, key: str, before: bytes | None, after: bytes | None) -> None:
    """Look at nothing."""


class SimulatedStore:
    """Reach the world as one writer does: each request may meet a fault, or end the writer."""

    url = "sim://lake"
    root = "/nowhere/simulated"
    local = True

    def __init__(self, world: World, name: str, *, calm: bool = False, quiet: bool = False) -> None:
        self.world = world
        self.name = name
        self.calm = calm
        self.quiet = quiet
        self.dead = False

    def uri(self, key: str) -> str:
        return f"{self.root}/{key}"

    def delta_options(self) -> dict[str, str]:
        return {}

    def sync(self, keys: Sequence[str]) -> None:
        """Do nothing: the simulation has no disk."""

    def get(self, key: str) -> bytes:
        def answer() -> bytes:
            if key not in self.world.objects:
                raise ObjectNotFound(key, self.url)
            return self.world.objects[key]

        return self._read("get", key, answer)

    def read(self, key: str) -> tuple[bytes, str] | None:
        def answer() -> tuple[bytes, str] | None:
            token = self.world.token(key)
            return None if token is None else (self.world.objects[key], token)

        return self._read("read", key, answer)

    def exists(self, key: str) -> bool:
        return self._read("exists", key, lambda: key in self.world.objects)

    def size(self, key: str) -> int:
        return len(self.get(key))

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        folder = prefix.rstrip("/")

        def answer() -> list[ObjectInfo]:
            keys = [
                key
                for key in sorted(self.world.objects)
                if (not folder or key.startswith(folder + "/")) and key > after
            ]
            return [ObjectInfo(key, len(self.world.objects[key]), EPOCH) for key in keys]

        return iter(self._read("list", prefix, answer))

    def put(self, key: str, data: bytes) -> None:
        self._write("put", key, lambda: self.world.write(key, data, "put"), PUT_FAULTS)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._conditional("put_if_absent", key, data, None)

    def swap(self, key: str, data: bytes, token: str | None) -> bool:
        return self._conditional("swap", key, data, token)

    def delete(self, key: str) -> None:
        # A late removal of a name would take what was made anew under it too.
        faults = ("error", "lost") if key.startswith(REFS) else PUT_FAULTS
        self._write("delete", key, lambda: self.world.remove(key), faults)

    def _conditional(self, verb: str, key: str, data: bytes, token: str | None) -> bool:
        def send() -> bool:
            return self.world.write_if(key, data, token, verb)

        made_anew = token is None and key.startswith(REFS) and not key.endswith("/main.json")
        faults = CREATION_FAULTS if made_anew else CONDITIONAL_FAULTS
        return self._write(verb, key, send, faults)

    def _read(self, verb: str, key: str, answer: Callable[[], T]) -> T:
        fate = self._before(verb, key, READ_FAULTS)
        if fate != "fine":
            raise StorageError("storage_failed", f"{verb} {key}: {fate}")
        found = answer()
        self._after()
        return found

    def _write(self, verb: str, key: str, send: Callable[[], T], faults: Sequence[str]) -> T:
        fate = self._before(verb, key, faults)
        if fate == "error":
            raise StorageError("storage_failed", f"{verb} {key}: refused")
        if fate in ("late", "double"):
            self.world.late.append(send)
        if fate not in ("before", "late"):
            done = send()
            if fate == "echo":
                done = send()
            self.world.say(f"  {self.name} {done}")
        self._after()
        if fate in ("fine", "double", "echo"):
            return done
        if "before" in faults:
            raise OutcomeUnknown(key, self.url, fate)
        raise StorageError("storage_failed", f"{verb} {key}: {fate}")

    def _before(self, verb: str, key: str, faults: Sequence[str]) -> str:
        if self.dead:
            raise Killed
        world, profile, chance = self.world, self.world.profile, self.world.chance
        if self.quiet or not world.inside:
            return "fine"
        world.turn()
        fate = "fine"
        if not self.calm:
            fate = self._fate(faults)
            self._end(chance, profile)
        world.say(f"{world.steps} {self.name} {verb} {key[-90:]} {fate}")
        return fate

    def _fate(self, faults: Sequence[str]) -> str:
        world, profile, chance = self.world, self.world.profile, self.world.chance
        actor = world.actor
        if profile.outage and chance.random() < profile.outage:
            actor.outage_until = world.now + chance.choice([0.1, 1.0, 10.0, 200.0])
        if world.now < actor.outage_until:
            return "before" if "before" in faults else "error"
        if chance.random() >= profile.fault:
            return "fine"
        possible = [kind for kind in faults if kind in profile.kinds]
        return chance.choice(possible) if possible else "fine"

    def _after(self) -> None:
        if self.world.inside and not (self.calm or self.quiet):
            self._end(self.world.chance, self.world.profile)

    def _end(self, chance: random.Random, profile: Profile) -> None:
        if profile.kill and chance.random() < profile.kill / 2:
            self.dead = True
            self.world.say(f"  {self.name} is killed")
            raise Killed
        if profile.interrupt and chance.random() < profile.interrupt / 2:
            self.world.say(f"  {self.name} is interrupted")
            raise KeyboardInterrupt
