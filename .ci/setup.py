"""Make the virtual environments `.venv` and `.venv-oracle`; safe to run twice, and twice at once.

An environment is finished when it holds a stamp that names what it was made from. One without that
stamp, or with another, is removed and made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "crannog-stamp"

if sys.version_info < (3, 11):  # noqa: UP036 (an older one must be told, in words)
    sys.exit("error: Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ...")

import tomllib  # noqa: E402 (an older Python has none)


@dataclass(frozen=True, slots=True)
class Environment:
    """Name one environment, what goes into it, and the files that decide it."""

    folder: Path
    install: tuple[str, ...]
    inputs: tuple[Path, ...]

    def stamp(self) -> str:
        """Return the text that a finished environment holds."""
        digest = hashlib.sha256(f"{sys.version}\n{self.folder}\n{self.install}".encode())
        for path in self.inputs:
            digest.update(declared(path))
        return digest.hexdigest()

    def finished(self) -> bool:
        """Say whether this environment is as it should be."""
        stamp = self.folder / STAMP
        python = self.folder / "bin" / "python"
        return python.exists() and stamp.exists() and stamp.read_text() == self.stamp()

    def make(self) -> None:
        """Make this environment from nothing."""
        print(f"making {self.folder.name} ...", file=sys.stderr, flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        venv.create(self.folder, with_pip=True)
        pip = [str(self.folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-qq", *self.install], cwd=ROOT, check=True)
        (self.folder / STAMP).write_text(self.stamp())


def declared(path: Path) -> bytes:
    """Return what an environment depends on in a file; of pyproject.toml no linter's settings."""
    data = path.read_bytes()
    if path.suffix != ".toml":
        return data
    project = tomllib.loads(data.decode())
    kept = [project["project"], project["build-system"], project["tool"]["hatch"]]
    return json.dumps(kept, sort_keys=True).encode()


def environments() -> list[Environment]:
    """List the environments of this clone."""
    constraints = ROOT / "constraints.txt"
    oracle = ROOT / "tests" / "oracle" / "requirements.txt"
    return [
        Environment(
            ROOT / ".venv",
            ("--constraint", str(constraints), "--editable", ".[dev]"),
            (constraints, ROOT / "pyproject.toml"),
        ),
        Environment(ROOT / ".venv-oracle", ("--requirement", str(oracle)), (oracle,)),
    ]


def main() -> None:
    """Make whatever is not finished, one process at a time."""
    locks = ROOT / ".cache"
    locks.mkdir(exist_ok=True)
    with (locks / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for environment in environments():
            if not environment.finished():
                environment.make()


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        print(f"error: {' '.join(map(str, failed.cmd))} failed", file=sys.stderr)
        sys.exit(1)
