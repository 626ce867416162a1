"""The answer to a REGISTER: the bindings as Contact lines, and the date.

Here: writing. Not here: deciding (`_registrar.py`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from trunkline.sip_parser import LocalProtocolError

from ._bindings import Binding

__all__ = ["contact_line", "date_line", "lines_of"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def contact_line(binding: Binding, now_epoch: float, permanent: int) -> str:
    """Write a binding as the value of a Contact header field.

    Args:
        binding: one that has not ended.
        now_epoch: unix seconds.
        permanent: what to say is left of a binding that never ends, in seconds.

    Returns:
        The contact with what is left of its time, at least one second.

    Source: RFC 3261 §10.3 step 8.
    """
    expires = binding.expires
    left = (int(expires - now_epoch) or 1) if expires else permanent
    text = f"<{binding.contact}>;expires={left}"
    q = binding.traits.q
    if q == 1 and binding.received is None and binding.instance is None:
        return text
    if 0 <= q < 1:
        text += f";q={q:.3g}"
    if binding.received is not None:
        text += f';received="{binding.received}"'
    if binding.instance is not None:
        text += f';+sip.instance="{binding.instance}"'
        if binding.reg_id is not None:
            text += f";reg-id={binding.reg_id}"
    return text


@lru_cache(maxsize=4)
def date_line(second: int) -> str:
    """Write the line of a Date from unix seconds. Source: RFC 3261 §20.17."""
    at = datetime.fromtimestamp(second, UTC)
    return (
        f"Date: {_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} GMT\r\n"
    )


def lines_of(fields: Iterable[tuple[str, str]]) -> str:
    """Write names and values as header lines.

    Raises:
        LocalProtocolError: a value holds a line break or NUL.
    """
    lines = ""
    for name, value in fields:
        if not value.isprintable() and ("\r" in value or "\n" in value or "\0" in value):
            raise LocalProtocolError(f"{name}: a header value holds no line break and no NUL, got {value!r}")
        lines += f"{name}: {value}\r\n"
    return lines
