"""DialogSet: the dialogs that one INVITE of ours makes, as a proxy on the way may have forked it.

Here: which dialogs there are, which were confirmed, which are over, and the ACK for each copy of each 2xx.
Not here: a dialog's own requests (`Dialog`), and which of several calls to keep: that is the user's.

Source: RFC 3261 §12.1.2, §13.2.2, RFC 6228
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from trunkline.sip_parser import LocalProtocolError, Request, Response

from ._dialog import Dialog, DialogState
from ._events import Send
from ._flow import Flow
from ._timers import TimerValues


@attrs.define(slots=True, eq=False)
class DialogBegun:
    """A provisional response has made an early dialog."""

    dialog: Dialog
    response: Response


@attrs.define(slots=True, eq=False)
class DialogConfirmed:
    """A 2xx has confirmed a dialog: give `DialogSet.acknowledge` its ACK, and a BYE if it is one too many."""

    dialog: Dialog
    response: Response
    is_first: bool
    """False for the second phone that answered, and those after it."""


@attrs.define(slots=True, eq=False)
class DialogEnded:
    """An early dialog is over; nothing is to be sent in it."""

    dialog: Dialog


DialogEffect = DialogBegun | DialogConfirmed | DialogEnded | Send


class DialogSet:
    """Follow the dialogs of one INVITE we sent."""

    __slots__ = ("_acks", "_dialogs", "_give_up", "_is_over", "_over_at", "_request")

    def __init__(self, request: Request, *, timers: TimerValues | None = None) -> None:
        """Begin without a dialog.

        Args: `request` as sent; a new one, with credentials or after a 422, has a set of its own.
        Raises: LocalProtocolError when it is no INVITE.
        """
        if request.method != "INVITE" or request.to_tag is not None:
            raise LocalProtocolError(f"dialogs are made by an INVITE without a To tag, not by {request!r}")
        self._request = request
        self._give_up = (timers or TimerValues()).give_up
        self._dialogs: dict[str | None, Dialog] = {}
        self._acks: dict[str | None, Send] = {}
        self._over_at: float | None = None
        self._is_over = False

    def __iter__(self) -> Iterator[Dialog]:
        """Give the dialogs that are early or confirmed, in the order they were made."""
        return iter([d for d in self._dialogs.values() if d.state is not DialogState.TERMINATED])

    def __len__(self) -> int:
        """Count them."""
        return sum(1 for _ in self)

    def receive(self, response: Response, *, now: float) -> list[DialogEffect]:
        """Take a response to the INVITE, in order or not, copies of a 2xx included.

        A 199 ends the early dialog that it names. A failure ends all early dialogs. After the first 2xx
        others may come for 64*T1; then the early dialogs that are left are over.

        Returns: what has become of dialogs; for the copy of a 2xx, the same ACK again.
        Raises: RemoteProtocolError when its headers cannot be read.
        Source: RFC 3261 §13.2.2.1 to §13.2.2.4, RFC 6228 §4
        """
        status, tag = response.status, response.to_tag
        if status >= 300:
            return self._end_early() if self._over_at is None else []
        dialog = self._dialogs.get(tag)
        if status >= 200:
            return self._accepted(dialog, tag, response, now)
        if self._is_over or status == 100 or tag is None:
            return []
        if status == 199:
            return self._gone(dialog)
        if dialog is not None:
            return []
        dialog = self._dialogs[tag] = Dialog.from_uac(self._request, response)
        return [DialogBegun(dialog, response)]

    def acknowledge(self, dialog: Dialog, ack: Request, flow: Flow) -> Send:
        """Send the ACK of a 2xx; it is kept, for the copies of that 2xx.

        Args: `ack` as `Dialog.make_ack` made it.
        Raises: LocalProtocolError for a dialog that this INVITE has not made.
        Source: RFC 3261 §13.2.2.4
        """
        tag = dialog.remote_tag
        if self._dialogs.get(tag) is not dialog or dialog.state is DialogState.EARLY:
            raise LocalProtocolError("expected a dialog that DialogConfirmed has told")
        send = self._acks[tag] = Send(ack.to_bytes(), flow, None)
        return send

    def next_timeout(self) -> float | None:
        """Tell when to call `handle_timeout`; None when nothing waits."""
        return None if self._is_over else self._over_at

    def handle_timeout(self, *, now: float) -> list[DialogEffect]:
        """End the early dialogs, and take no new ones, 64*T1 after the first 2xx; calling early returns
        []."""
        if self._is_over or self._over_at is None or now < self._over_at:
            return []
        return self._end_early()

    def _accepted(
        self, dialog: Dialog | None, tag: str | None, response: Response, now: float
    ) -> list[DialogEffect]:
        if dialog is not None and dialog.state is not DialogState.EARLY:
            ack = self._acks.get(tag)
            return [] if ack is None else [ack]
        if self._is_over:
            return []
        if dialog is None:
            dialog = self._dialogs[tag] = Dialog.from_uac(self._request, response)
        else:
            dialog.receive_response(response)
        is_first = self._over_at is None
        if is_first:
            self._over_at = now + self._give_up
        return [DialogConfirmed(dialog, response, is_first)]

    def _gone(self, dialog: Dialog | None) -> list[DialogEffect]:
        if dialog is None or dialog.state is not DialogState.EARLY:
            return []
        dialog.terminate()
        return [DialogEnded(dialog)]

    def _end_early(self) -> list[DialogEffect]:
        self._is_over = True
        ended: list[DialogEffect] = []
        for dialog in self._dialogs.values():
            if dialog.state is DialogState.EARLY:
                dialog.terminate()
                ended.append(DialogEnded(dialog))
        return ended
