"""A call as accounting follows it, and the rows of the usual one: answered, and over some time later.

What is written of a call is `trunkline.acct.Rules`'s to say. Of the usual call the same rows are made here
in one go, without a value for each row and for the record; what two rows have in common is worked out once.
A property test holds both together.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from trunkline.acct import OpenCall, elapsed_ms
from trunkline.provider.store._rows import INT_MAX, bounded, instant, text, texts

if TYPE_CHECKING:
    from trunkline.provider.store._statements import Row

_REASON_WIDTH = 32


class Account(OpenCall):
    """A call that has begun and not ended, with what was written of it."""

    __slots__ = ("answered", "began", "number")

    number: int | None
    """Under which it is journalled; None: it is not."""
    began: str
    """Its start as a column value; empty: not written yet."""
    answered: str
    """Its answer, the same; there is one when the start is written."""

    def open(self) -> Account:
        """Say that nothing has been written of it."""
        self.number, self.began = None, ""
        return self

    def answer_row(self) -> Row:
        """Give the row of table acc of the request that began it, which was just answered."""
        answer = self.answer
        assert answer is not None
        began = self.began = instant(self.start)
        answered = self.answered = instant(answer)
        method, from_tag, to_tag, call_id, reason = texts(
            self.method, self.from_tag, self.to_tag, self.call_id, self.reason[:_REASON_WIDTH]
        )
        setup = bounded(elapsed_ms(self.start, answer) // 1000)
        return method, from_tag, to_tag, call_id, str(self.code), reason, answered, 0, setup, began, 0

    def end_rows(self, at: datetime, by: str, cause: str, made_at: str) -> tuple[Row | None, Row]:
        """Give the row of table acc of the request that ends it, and the row of table cdrs.

        Args:
            at: when it ends, UTC to the millisecond.
            by: `caller`, `callee` or `server`.
            cause: why.
            made_at: the time of the second row, as a column value.

        Returns:
            No first row where nobody had answered.
        """
        call_id, from_tag, to_tag, caller, callee, request_uri, cause_text, reason = texts(
            self.call_id, self.from_tag, self.to_tag, self.caller, self.callee, self.request_uri, cause,
            self.reason,
        )  # fmt: skip
        start, answer, ended = self.start, self.answer, instant(at)
        began = self.began or instant(start)
        row: Row | None = None
        if answer is None:
            answered, duration, setup = None, 0, elapsed_ms(start, at)
        else:
            answered = self.answered if self.began else instant(answer)
            duration, setup = elapsed_ms(answer, at), elapsed_ms(start, answer)
        seconds, setup_seconds, milliseconds = duration // 1000, setup // 1000, duration
        if duration > INT_MAX or setup > INT_MAX:
            seconds, setup_seconds, milliseconds = bounded(seconds), bounded(setup_seconds), bounded(duration)
        if answer is not None:
            row = (
                "BYE",
                to_tag if by == "callee" else from_tag,
                from_tag if by == "callee" else to_tag,
                call_id,
                "" if by == "server" else "200",
                text(cause[:_REASON_WIDTH]) if by == "server" else "OK",
                ended,
                seconds,
                setup_seconds,
                began,
                milliseconds,
            )
        return row, (
            call_id,
            from_tag,
            to_tag,
            began,
            seconds,
            made_at,
            caller,
            callee,
            request_uri,
            answered,
            ended,
            duration,
            setup,
            by,
            cause_text,
            str(self.code) if self.code else "",
            reason,
        )
