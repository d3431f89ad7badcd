"""Runs work on several threads, each piece as soon as what it needs is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

AWAKE = 0.2


def run_ready(
    needs: Mapping[str, Collection[str]],
    work: Callable[[str], None],
    *,
    threads: int,
    stop: Callable[[], None],
) -> None:
    """Call `work` once for every key, after it was called for all that the key needs.

    Args:
        needs: keys that are not in it count as done.
        stop: called if the user interrupts or `work` raises, until all has ended: end the statement
            that is running.
    """
    waiting = {key: {need for need in needed if need in needs} for key, needed in needs.items()}
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max(threads, 1), thread_name_prefix="crannog-build") as pool:
        try:
            while waiting or running:
                for key in [key for key, left in waiting.items() if not left]:
                    del waiting[key]
                    running[pool.submit(work, key)] = key
                # Waiting without end would not hear an interrupt on every platform.
                done, _ = wait(running, timeout=AWAKE, return_when=FIRST_COMPLETED)
                for future in done:
                    key = running.pop(future)
                    future.result()
                    for left in waiting.values():
                        left.discard(key)
        except BaseException:
            for future in running:
                future.cancel()
            unfinished = set(running)
            while unfinished:
                stop()
                _, unfinished = wait(unfinished, timeout=AWAKE)
            raise
