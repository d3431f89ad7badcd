"""What every test may ask for: an empty home, a lake (local or on S3), and the real program."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(sys.executable).parent / "crannog"
GIT = {"GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "test@example.org"}
GIT |= {"GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "test@example.org"}


@dataclass(frozen=True, slots=True)
class S3:
    """One bucket on the S3 server of this test run, and how to reach it."""

    endpoint: str
    bucket: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/lake"

    @property
    def options(self) -> dict[str, object]:
        """The keys of `[storage]`."""
        return {
            "endpoint_url": self.endpoint,
            "region": "us-east-1",
            "allow_http": True,
            "access_key_id": "test",
            "secret_access_key": "test-secret",
        }

    @property
    def env(self) -> dict[str, str]:
        """The same as the usual chain of environment variables."""
        names = {f"AWS_{key.upper()}": str(value) for key, value in self.options.items()}
        return names | {"AWS_ALLOW_HTTP": "true", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run of the program left behind."""

    code: int
    out: str
    err: str

    def json(self) -> object:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def empty_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let no test see the settings of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("CRANNOG_", "AWS_", "XDG_", "GIT_")) or name in ("NO_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
    fixed = {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in (GIT | fixed).items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Start an S3 server on a free port; it ends with this process, however that ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "s3_server.py"), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert server.poll() is None, "the S3 server ended before it began"
            assert time.monotonic() < deadline, "the S3 server did not begin"
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    assert server.stdin is not None
    server.stdin.close()
    server.wait(timeout=30)


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> S3:
    """Make a bucket of this test's own, reachable by the usual environment variables."""
    store = S3(s3_server, f"b{uuid.uuid4().hex}")
    put = urllib.request.Request(f"{s3_server}/{store.bucket}", method="PUT")
    urllib.request.urlopen(put).close()
    for name, value in store.env.items():
        monkeypatch.setenv(name, value)
    return store


@pytest.fixture
def lake_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a lake not yet made: local, or S3 where a test asks by indirect parameter."""
    if getattr(request, "param", "local") == "s3":
        store: S3 = request.getfixturevalue("s3")
        return store.url
    return str(tmp_path / "lake")


@pytest.fixture
def crannog(tmp_path: Path) -> Callable[..., Ran]:
    """Run the real program; `code` is what it must exit with (None: anything)."""

    def run(
        *words: object, cwd: Path | None = None, stdin: str | bytes = b"", code: int | None = 0
    ) -> Ran:
        done = subprocess.run(
            [str(PROGRAM), *map(str, words)],
            cwd=cwd or tmp_path,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
        )
        ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
        if code is not None:
            assert ran.code == code, f"exit {ran.code}\n{ran.out}\n{ran.err}"
        assert "Traceback (most recent call last)" not in ran.err, ran.err
        return ran

    return run
