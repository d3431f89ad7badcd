"""Run ministack, an S3 server, until standard input closes: as long as its test run lives."""

from __future__ import annotations

import os
import sys
import threading


def end_with_the_parent() -> None:
    """Wait for the other end of the pipe to vanish, then go too."""
    sys.stdin.buffer.read()
    os._exit(0)


def main(port: str) -> None:
    """Serve S3 on the loopback address."""
    os.environ.update(
        SERVICES="s3",
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=port,
        LOG_LEVEL="ERROR",
        PERSIST_STATE="0",
        S3_PERSIST="0",
    )
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    import ministack.app

    sys.argv = ["ministack"]
    ministack.app.main()


if __name__ == "__main__":
    main(sys.argv[1])
