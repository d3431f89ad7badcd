"""Files that lie elsewhere, and lakes that do: S3, HTTP, and no secret in any message."""

from __future__ import annotations

import functools
import http.server
import threading

import obstore
import pytest
from obstore.store import S3Store

from crannog.engine import connect
from crannog.engine.load import load_files, options_of


@pytest.fixture
def bucket(s3):
    return S3Store(s3.bucket, config={**s3.options, "allow_http": "true"})


def test_files_on_s3_go_into_a_lake_on_s3(s3, bucket):
    for number in (2, 1):
        obstore.put(bucket, f"in/{number}.csv", f"a,b\n{number},x\nbad\n".encode())
    with connect(s3.url, storage=s3.options) as session:
        result = load_files(session, "raw.t", [f"s3://{s3.bucket}/in/*.csv"])
        assert [each.path for each in result.files] == [
            f"s3://{s3.bucket}/in/{number}.csv" for number in (1, 2)
        ]
        assert (result.rows, result.rejected) == (2, 2)
        assert session.sql("FROM raw.t ORDER BY a").fetchall() == [(1, "x"), (2, "x")]
        obstore.put(bucket, "in/1.csv", b"a,b\n5,x\n")
        obstore.put(bucket, "in/3.csv", b"a,b\n3.5,x\n")
        again = load_files(
            session, "raw.t", [f"s3://{s3.bucket}/in/*.csv"], options_of(reload=True)
        )
        assert [each.status for each in again.files] == ["loaded", "skipped", "loaded"]
        assert session.sql("SELECT a FROM raw.t ORDER BY a").fetchall() == [(2.0,), (3.5,), (5.0,)]
        obstore.delete(bucket, "in/2.csv")
        obstore.put(bucket, "in/2.csv", b"a,b\n9,x\n")
        changed = load_files(session, "raw.t", [f"s3://{s3.bucket}/in/*.csv"])
        assert [each.status for each in changed.files] == ["skipped", "failed", "skipped"]
        assert changed.errors[0].code == "changed_since_load"
        keyed = load_files(
            session, "raw.t", [f"s3://{s3.bucket}/in/3.csv"], options_of(mode="replace", key="a")
        )
        assert keyed.rows == 1
        assert session.sql("SELECT a FROM raw.t").fetchall() == [(3.5,)]


def test_a_bucket_that_is_not_there_fails_the_file_without_a_secret(s3, tmp_path):
    with connect(str(tmp_path / "lake"), storage=s3.options) as session:
        result = load_files(session, "t", ["s3://no-such-bucket-here/x.csv"])
        globbed = load_files(session, "t", ["s3://no-such-bucket-here/*.csv"])
    for error in (*result.errors, *globbed.errors):
        assert "test-secret" not in error.message
        assert error.code in ("file_not_found", "file_not_readable", "no_files")


@pytest.fixture
def web(tmp_path):
    """Serve a folder over HTTP."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *words: None

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_on_the_web_is_loaded_once(web, load, rows):
    folder, url = web
    (folder / "a.csv").write_text("a\n1\n")
    result = load("t", f"{url}/a.csv?token=hush", f"{url}/no.csv")
    assert [each.status for each in result.files] == ["loaded", "failed"]
    assert result.files[0].path == f"{url}/a.csv?token=..."
    assert result.errors[0].code == "file_not_found"
    assert load("t", f"{url}/a.csv?token=hush").files[0].status == "skipped"
    assert rows("FROM t") == [(1,)]


def test_passwords_in_urls_are_not_shown(load):
    result = load("t", "http://me:hush@127.0.0.1:9/a.csv?sig=hush2")
    (error,) = result.errors
    assert "hush" not in error.message
    assert "hush" not in result.files[0].path


def test_files_that_s3_says_are_the_same_are_not_fetched_again(s3, bucket, monkeypatch):
    from crannog.engine.load.spool import Spool

    obstore.put(bucket, "a.csv", b"a\n1\n")
    url = f"s3://{s3.bucket}/a.csv"
    with connect(s3.url, storage=s3.options) as session:
        session.load("t", url)
        monkeypatch.setattr(Spool, "fetch", None)
        assert [each.status for each in session.load("t", url).files] == ["skipped"]
        assert [each.status for each in session.load("t", f"{url[:-5]}*.csv").files] == ["skipped"]
