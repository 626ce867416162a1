"""What the tests of accounting share: a clock that reads what it is told, and the life of a call."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from trunkline.acct import CallAnswered, CallEnded, CallFailed, CallRinging, CallStarted, Event

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class _Call:
    """Facts of one call from alice to bob, by seconds after noon."""

    def __init__(self, call_id: str = "c1", from_tag: str = "a") -> None:
        self.call_id = call_id
        self.from_tag = from_tag

    def started(self, seconds: float = 0, **more: object) -> CallStarted:
        parties = {
            "caller": "alice@example.test",
            "callee": "bob@example.test",
            "request_uri": "sip:bob@example.test",
            "source": "udp:192.0.2.1:5060",
        }
        return CallStarted(self.call_id, self.from_tag, _at(seconds), **(parties | more))

    def ringing(self, seconds: float, code: int = 180) -> CallRinging:
        return CallRinging(self.call_id, self.from_tag, _at(seconds), code)

    def answered(self, seconds: float, to_tag: str = "b") -> CallAnswered:
        return CallAnswered(self.call_id, self.from_tag, _at(seconds), to_tag, 200, "OK")

    def failed(self, seconds: float, code: int = 486, reason: str = "Busy Here", to_tag: str = "b") -> Event:
        return CallFailed(self.call_id, self.from_tag, _at(seconds), to_tag, code, reason)

    def ended(self, seconds: float, by: str = "caller", cause: str = "bye", to_tag: str = "b") -> CallEnded:
        return CallEnded(self.call_id, self.from_tag, _at(seconds), to_tag, by, cause)

    def whole(self) -> list[Event]:
        return [self.started(0), self.ringing(0.5), self.answered(2.25), self.ended(62.5)]


@pytest.fixture
def at() -> Callable[[float], datetime]:
    """Give the time that many seconds after noon."""
    return _at


@pytest.fixture
def call() -> _Call:
    """Give the facts of one call."""
    return _Call()


@pytest.fixture
def new_call() -> Callable[..., _Call]:
    """Give the facts of a call with this Call-ID and caller's tag."""
    return _Call
