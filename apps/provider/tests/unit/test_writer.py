"""The thread that writes: what it gives back, what it raises, and that nobody leaves before it is done."""

from __future__ import annotations

import threading

import pytest
import trio

from trunkline.provider.writer import Writer


async def test_results_come_back_one_by_one() -> None:
    threads = set()

    def double(number: int) -> int:
        threads.add(threading.get_ident())
        return 2 * number

    with Writer(double) as writer:
        assert [await writer.write(number) for number in range(5)] == [0, 2, 4, 6, 8]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_what_the_function_raises_is_raised_and_the_next_goes_on() -> None:
    def fail_once(text: str) -> str:
        if text == "bad":
            raise ValueError("no good")
        return text

    with Writer(fail_once) as writer:
        with pytest.raises(ValueError, match="no good"):
            await writer.write("bad")
        assert await writer.write("good") == "good"


async def test_who_cancels_waits_for_the_end() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(_: str) -> None:
        begun.set()
        may_end.wait(5)
        ended.set()

    async def let_it_end() -> None:
        await trio.to_thread.run_sync(begun.wait)
        nursery.cancel_scope.cancel()
        may_end.set()

    with Writer(slow) as writer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.write, "x")
            nursery.start_soon(let_it_end)
        assert ended.is_set()


async def test_the_thread_ends_with_its_context() -> None:
    before = set(threading.enumerate())
    with Writer(str) as writer:
        await writer.write(1)
        [thread] = set(threading.enumerate()) - before
    await trio.to_thread.run_sync(thread.join, 5)
    assert not thread.is_alive()
