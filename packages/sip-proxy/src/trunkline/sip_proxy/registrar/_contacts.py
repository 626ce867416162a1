"""What a REGISTER asks for, contact by contact.

Here: reading Contact, Expires and Allow into plain requests with all limits on sizes. Not here: what the
bindings become (`_update.py`).
"""

import re
from functools import lru_cache
from typing import Final

import attrs

from trunkline.sip_parser import NameAddr, OtherUri, RemoteProtocolError, TelUri, Uri

__all__ = [
    "MAX_CONTACT",
    "METHOD_BITS",
    "ContactRequest",
    "check_storable",
    "delta_seconds",
    "methods_of",
    "read_contact",
]

MAX_CONTACT: Final = 255
MAX_INSTANCE: Final = 255
_FOREVER: Final = 2**32 - 1
_MALFORMED: Final = 3600
_digits = re.compile(r"[0-9]+", re.ASCII).fullmatch
_qvalue = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?|\.[0-9]{1,3}", re.ASCII).fullmatch

METHOD_BITS: Final = {
    "INVITE": 1,
    "CANCEL": 2,
    "ACK": 4,
    "BYE": 8,
    "INFO": 16,
    "OPTIONS": 32,
    "UPDATE": 64,
    "REGISTER": 128,
    "MESSAGE": 256,
    "SUBSCRIBE": 512,
    "NOTIFY": 1024,
    "PRACK": 2048,
    "REFER": 4096,
    "PUBLISH": 8192,
}
"""The bit of each method in `Binding.methods` and in column `location.methods`; any other method is 16384."""


@attrs.define(slots=True, eq=False)
class ContactRequest:
    """Ask for one contact to be bound, or not to be any more."""

    uri: Uri | TelUri | OtherUri
    contact: str
    """The URI as it will be stored and compared first."""
    expires: int | None
    """Seconds asked for with this contact, 0 = remove; None = it did not say."""
    q: float
    instance: str | None
    reg_id: int | None
    methods: int | None


def read_contact(address: NameAddr) -> ContactRequest:
    """Read one Contact value of a REGISTER.

    Raises:
        RemoteProtocolError: it is malformed, or longer than we store.

    Source: RFC 3261 §10.2, §20.10
    """
    uri = address.uri
    contact = str(uri)
    check_storable(contact, MAX_CONTACT, "Contact URI")
    params = address.params
    if not params:
        return ContactRequest(uri, contact, None, 1.0, None, None, None)
    expires = params.get("expires")
    q = params.get("q")
    if q is not None and _qvalue(q) is None:
        raise RemoteProtocolError("Contact: expected q from 0 to 1", section="RFC 3261 §20.10")
    methods = params.get("methods")
    return ContactRequest(
        uri,
        contact,
        None if expires is None else delta_seconds(expires),
        1.0 if q is None else float(q),
        _instance(params.get("+sip.instance")),
        _reg_id(params.get("reg-id")),
        None if methods is None else methods_of(methods.strip('"')),
    )


def delta_seconds(text: str) -> int:
    """Read an expiry: malformed counts as one hour, beyond 32 bits as the greatest. Source: RFC 3261
    §20.10, §20.19."""
    if not (text.isdecimal() and text.isascii()):
        return _MALFORMED
    if len(text) < 10:
        return int(text)
    significant = text.lstrip("0")
    return min(int(significant or 0), _FOREVER) if len(significant) <= 10 else _FOREVER


def check_storable(text: str, limit: int, what: str) -> None:
    """Refuse what no column and no header of ours may hold: long, control or non-ASCII text."""
    if len(text) > limit or not text.isascii() or not text.isprintable():
        raise RemoteProtocolError(
            f"{what}: expected at most {limit} printable ASCII characters, got {len(text)} characters",
            section="RFC 3261 §25.1",
        )


def methods_of(text: str) -> int:
    """Make bits of a list of methods such as the value of Allow."""
    return _methods_of(text) if len(text) <= 300 else _methods_of.__wrapped__(text)


@lru_cache(maxsize=256)
def _methods_of(text: str) -> int:
    bits = 0
    for method in text.split(","):
        name = method.strip()
        if name:
            bits |= METHOD_BITS.get(name.upper(), 16384)
    return bits


def _instance(value: str | None) -> str | None:
    if not value:
        return None
    instance = value[1:-1] if value[0] == '"' else value
    check_storable(instance, MAX_INSTANCE, "+sip.instance")
    if '"' in instance or "\\" in instance:
        raise RemoteProtocolError("+sip.instance: expected a quoted URN", section="RFC 5626 §4.1")
    return instance or None


def _reg_id(value: str | None) -> int | None:
    if value is None:
        return None
    if _digits(value) is None or len(value) > 10 or not 1 <= int(value) < 2**31:
        raise RemoteProtocolError("Contact: expected reg-id from 1 to 2**31 - 1", section="RFC 5626 §4.2")
    return int(value)
