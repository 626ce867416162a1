"""Replaces: which of our dialogs an INVITE is to take the place of.

Here: the header read, written and matched. Not here: the BYE or CANCEL for the one replaced, which is the
user's.

Source: RFC 3891
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from trunkline.sip_parser import RemoteProtocolError, Request

from ._dialog import Dialog, DialogState

# What stands for the tag of a peer of RFC 2543, which has none. Source: RFC 3891 §3
_NO_TAG = "0"


@attrs.frozen
class Replaces:
    """Name a dialog as the one who is to give it up sees it."""

    call_id: str
    """Its Call-ID."""
    to_tag: str
    """The tag of who receives the header."""
    from_tag: str
    """The tag of that one's peer."""
    early_only: bool = False
    """Whether a call that was answered meanwhile is to be left alone."""

    @classmethod
    def of(cls, dialog: Dialog, *, early_only: bool = False) -> Replaces:
        """Name a dialog of ours so that its other side finds it, for a Refer-To or an INVITE."""
        return cls(dialog.call_id, dialog.remote_tag or _NO_TAG, dialog.local_tag or _NO_TAG, early_only)

    @classmethod
    def of_request(cls, request: Request) -> Replaces | None:
        """Read the Replaces header of a request; None when it has none.

        Raises: RemoteProtocolError, to be answered 400, for more than one, for a method other than INVITE,
        and for a value without exactly one of each tag.
        Source: RFC 3891 §3, §6.1
        """
        values = request.headers.get_all("replaces")
        if not values:
            return None
        if len(values) > 1 or request.method != "INVITE":
            _refuse(f"expected it once and in an INVITE, got {len(values)} in {request.method}", request)
        value = request.replaces
        assert value is not None
        tags = value.params.get("to-tag"), value.params.get("from-tag")
        if not all(tags):
            _refuse("expected a to-tag and a from-tag", request)
        return cls(value.value, tags[0] or "", tags[1] or "", "early-only" in value.params)

    def match(self, dialogs: Iterable[Dialog]) -> tuple[int, Dialog | None]:
        """Find the dialog among all of ours, those that are just over included.

        Returns: 200 and the dialog to replace (with a BYE when it is confirmed, a CANCEL when it is early);
        or the status to refuse the INVITE with: 481 where none matches or several do, or where it is an
        early one that the peer began, 486 for an answered one with early-only, 603 for one that is over.
        Source: RFC 3891 §3
        """
        found = [dialog for dialog in dialogs if dialog.made_by == "INVITE" and self._names(dialog)]
        if len(found) != 1:
            return 481, None
        [dialog] = found
        if dialog.state is DialogState.TERMINATED:
            return 603, None
        if dialog.state is DialogState.CONFIRMED:
            return (486, None) if self.early_only else (200, dialog)
        return (200, dialog) if dialog.is_caller else (481, None)

    def _names(self, dialog: Dialog) -> bool:
        return (
            self.call_id == dialog.call_id
            and self.to_tag == (dialog.local_tag or _NO_TAG)
            and self.from_tag == (dialog.remote_tag or _NO_TAG)
        )

    def __str__(self) -> str:
        flag = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{flag}"


def _refuse(reason: str, request: Request) -> None:
    raise RemoteProtocolError(f"Replaces: {reason}", section="RFC 3891 §3", message=request)
