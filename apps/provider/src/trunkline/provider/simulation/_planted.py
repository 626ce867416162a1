"""Bugs planted on purpose: a simulator that finds none of them finds nothing.

Each is a context manager that puts one mistake into the real code for the time of a run. None of this is
ever active but where it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from trunkline.provider.stack import Barrier
from trunkline.provider.stack._calls import Calls
from trunkline.provider.stack._registrations import Registrations
from trunkline.sip_transaction import TransactionLayer
from trunkline.sip_transaction._timers import LingerLine


@contextmanager
def _patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def lost_timer() -> AbstractContextManager[None]:
    """One timer in fifty is started and never fires."""
    original, count = LingerLine.start, [0]

    def start(self: Any, owner: Any, now: float) -> None:
        original(self, owner, now)
        count[0] += 1
        if count[0] % 50 == 0:
            self._batch.pop()

    return _patched(LingerLine, "start", start)


def wrong_branch() -> AbstractContextManager[None]:
    """A response that no branch matches is given to another transaction of the same method."""
    original = TransactionLayer.receive

    def receive(self: Any, message: Any, flow: Any, *, now: float) -> Any:
        if not message.is_request:
            clients = self._clients.by_key
            key = message.likely_key()
            if key not in clients and len(clients) > 2:
                branch = next((branch for branch, method in clients if method == key[1]), None)
                if branch is not None:
                    via = message.headers.top_value("via") or ""
                    message.headers.replace_top("Via", via.replace(key[0], branch))
        return original(self, message, flow, now=now)

    return _patched(TransactionLayer, "receive", receive)


def double_cdr() -> AbstractContextManager[None]:
    """A call that was answered is closed twice."""
    original = Calls._ended

    def ended(self: Any, fact: Any) -> None:
        original(self, fact)
        self._stack.emit(self._stack._out[-1])

    return _patched(Calls, "_ended", ended)


def early_confirmation() -> AbstractContextManager[None]:
    """A registration is confirmed when it is written down in memory, not when it is on disk."""
    original = Registrations.register

    def register(self: Any, transaction: Any, context: Any, decision: Any, now: float) -> None:
        original(self, transaction, context, decision, now)
        out = self._stack._out
        if out and isinstance(out[-1], Barrier):
            out.pop().resume(True, now)

    return _patched(Registrations, "register", register)


PLANTED: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "lost-timer": lost_timer,
    "wrong-branch": wrong_branch,
    "double-cdr": double_cdr,
    "early-confirmation": early_confirmation,
}
"By the name that `--plant` takes."
