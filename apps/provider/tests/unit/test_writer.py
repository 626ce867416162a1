"""The thread that writes: what it gives back, what it raises, and that it ends."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio

from trunkline.provider.writer import Writer


async def run(writer: Writer[Any, Any], work: object) -> Any:
    """Let the function run and give its result."""
    writer.begin(work)
    with trio.fail_after(5):
        while not writer.has_ended:
            assert writer.is_busy
            await trio.sleep(0)
    try:
        return writer.take()
    finally:
        assert not writer.is_busy
        assert not writer.has_ended


async def test_results_come_back_one_by_one() -> None:
    threads = set()

    def double(number: int) -> int:
        threads.add(threading.get_ident())
        return 2 * number

    with Writer(double) as writer:
        assert [await run(writer, number) for number in range(5)] == [0, 2, 4, 6, 8]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_what_the_function_raises_is_raised_and_the_next_goes_on() -> None:
    def fail_once(text: str) -> str:
        if text == "bad":
            raise ValueError("no good")
        return text

    with Writer(fail_once) as writer:
        with pytest.raises(ValueError, match="no good"):
            await run(writer, "bad")
        assert await run(writer, "good") == "good"


async def test_nothing_is_begun_before_the_result_is_taken() -> None:
    with Writer(str) as writer:
        writer.begin(1)
        with pytest.raises(AssertionError):
            writer.begin(2)


async def test_the_thread_ends_with_its_context() -> None:
    before = set(threading.enumerate())
    with Writer(str) as writer:
        await run(writer, 1)
        [thread] = set(threading.enumerate()) - before
    await trio.to_thread.run_sync(thread.join, 5)
    assert not thread.is_alive()
