"""What a REGISTER does to the bindings of one address of record, all of it or nothing.

Here: matching, ordering by Call-ID and CSeq, the limit on contacts; values in, values out. Not here:
reading the request (`_contacts.py`), keeping the result (`_location.py`), answering (`_reply.py`).

Source: RFC 3261 §10.3 steps 6 and 7.
"""

from collections.abc import Iterable

import attrs

from trunkline.sip_parser import RemoteProtocolError, parse_uri

from ._bindings import Binding, BindingChanged
from ._contacts import ContactRequest

__all__ = [
    "Refused",
    "Slot",
    "change_of",
    "changes_of",
    "enforce_limit",
    "find_slot",
    "is_repeated",
    "remove_all",
]


class Refused(Exception):
    """Carry the refusal of a REGISTER from where it is found to where it is answered."""

    def __init__(self, status: int, reason: str | None = None, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.reason = reason
        self.headers = headers


@attrs.define(slots=True, eq=False)
class Slot:
    """Hold one binding while a request is worked in: what it was, and what it becomes."""

    previous: Binding | None
    current: Binding | None
    touched: bool = False
    """Whether the request has spoken of it."""


def find_slot(slots: list[Slot], wanted: ContactRequest, *, outbound: bool) -> Slot | None:
    """Find the binding a contact speaks of.

    Args:
        slots: the bindings so far; one that this request removed is still found.
        wanted: the contact asked for.
        outbound: whether instance and reg-id name the binding instead of the URI.

    Source: RFC 3261 §10.3 step 7 (URIs compared by §19.1.4), RFC 5626 §6.
    """
    if outbound and wanted.instance is not None and wanted.reg_id is not None:
        for slot in slots:
            binding = slot.current or slot.previous
            if binding and binding.reg_id == wanted.reg_id and binding.instance == wanted.instance:
                return slot
        return None
    contact = wanted.contact
    for slot in slots:
        binding = slot.current or slot.previous
        if binding and binding.contact == contact:
            return slot
    for slot in slots:
        binding = slot.current or slot.previous
        if binding and _equivalent(binding.contact, wanted):
            return slot
    return None


def is_repeated(previous: Binding, call_id: str, cseq: int, *, removing: bool) -> bool:
    """Judge the order of a request against the one that made the binding.

    Args:
        previous: the binding as it stands.
        call_id: of the request.
        cseq: of the request.
        removing: whether the binding is to be removed, not refreshed.

    Returns:
        True when this request was worked in before (a copy that came late): leave the binding as it is.
        False: go ahead.

    Raises:
        Refused: 500, because a later request of the same client was worked in before.

    Source: RFC 3261 §10.3 step 7.
    """
    if previous.call_id != call_id or cseq > previous.cseq:
        return False
    if cseq == previous.cseq and not removing:
        return True
    raise Refused(500, "CSeq Out Of Order")


def remove_all(held: Iterable[Binding], call_id: str, cseq: int) -> list[BindingChanged]:
    """Empty an address of record, as `Contact: *` asks. Source: RFC 3261 §10.3 step 6."""
    changes = []
    for binding in held:
        is_repeated(binding, call_id, cseq, removing=True)
        changes.append(BindingChanged("removed", binding))
    return changes


def enforce_limit(slots: list[Slot], limit: int, *, evict_oldest: bool, retry_after: int) -> None:
    """Keep the number of contacts within bounds.

    Args:
        slots: all bindings; those evicted lose their `current`, those the request speaks of are never
            evicted.
        limit: the most contacts of an address of record.
        evict_oldest: make room by removing the contacts whose last REGISTER is the oldest.
        retry_after: seconds a refused client is told to wait.

    Raises:
        Refused: 503.
    """
    excess = sum(slot.current is not None for slot in slots) - limit
    if excess <= 0:
        return
    if evict_oldest:
        others = [slot for slot in slots if slot.current is not None and not slot.touched]
        if len(others) >= excess:
            others.sort(key=_last_modified)
            for slot in others[:excess]:
                slot.current = None
            return
    raise Refused(503, "Too Many Contacts", ("Retry-After", str(retry_after)))


def changes_of(slots: list[Slot]) -> list[BindingChanged]:
    """Tell what became of each binding, in the order of the slots."""
    return [change_of(slot.previous, slot.current) for slot in slots if slot.current is not slot.previous]


def change_of(previous: Binding | None, current: Binding | None) -> BindingChanged:
    """Tell what became of a binding that is not what it was."""
    if current is None:
        assert previous is not None
        return BindingChanged("removed", previous)
    if previous is None:
        return BindingChanged("added", current)
    return BindingChanged("refreshed", current, previous)


def _last_modified(slot: Slot) -> float:
    return slot.current.last_modified if slot.current is not None else 0.0


def _equivalent(contact: str, wanted: ContactRequest) -> bool:
    try:
        return parse_uri(contact).equivalent(wanted.uri)
    except RemoteProtocolError:
        # a stored row can hold anything
        return False
