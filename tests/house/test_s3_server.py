"""The S3 server that other tests stand on loses nothing and never outlives its test run."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request

import pytest


def put(url: str, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(
        url, data=body, method="PUT", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def test_a_conditional_put_succeeds_once(s3):
    url = f"{s3.endpoint}/{s3.bucket}/ref"
    assert put(url, b"1", If_None_Match="*") == 200
    assert put(url, b"2", If_None_Match="*") == 412
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"1"


def test_every_test_has_a_bucket_of_its_own(s3):
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(f"{s3.endpoint}/{s3.bucket}/ref")
    assert missing.value.code == 404
    missing.value.close()


def test_the_server_ends_when_its_test_run_is_killed(request):
    script = request.config.rootpath / "tests" / "s3_server.py"
    server = subprocess.Popen([sys.executable, str(script), "0"], stdin=subprocess.PIPE)
    server.stdin.close()
    assert server.wait(timeout=60) is not None
