"""What the server knows, as rows of the tables, and back.

Here: bindings, accounting rows and call records turned into tuples of values that every driver takes, in the
order of `_statements`; times are text, UTC. What a stranger sent (broken UTF-8, numbers without bound) is
made storable here, so that one such row cannot keep a whole group of writes from the disk.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trunkline.acct import AccRow, Cdr
    from trunkline.provider.store._statements import Row
    from trunkline.sip_proxy import Binding

NEVER = "1970-01-01 00:00:00"
"OpenSIPS's mark of a contact that is permanent."
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH = _EPOCH_UTC.replace(tzinfo=None)
_DAY = 86400
_LATEST = 253370764800
INT_MAX = 2**31 - 1
_SECOND = timedelta(seconds=1)


def text(value: str) -> str:
    """Make text storable: bytes that were not UTF-8, and NUL, become U+FFFD."""
    if value.isascii() and "\0" not in value:
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")


def texts(*values: str) -> tuple[str, ...]:
    """Make several texts storable; nearly always they are, and one look at all of them tells."""
    whole = "".join(values)
    if whole.isascii() and "\0" not in whole:
        return values
    return tuple(map(text, values))


def bounded(value: int) -> int:
    """Bring a number into the range of a column INT."""
    return value if -INT_MAX <= value <= INT_MAX else min(max(value, -INT_MAX), INT_MAX)


def moment(epoch: float) -> str:
    """Give Unix seconds as a column value, whole seconds."""
    if not 0 <= epoch <= _LATEST:
        epoch = min(max(epoch, 0), _LATEST)
    return _second(int(epoch + 0.5))


@lru_cache(maxsize=1024)
def _second(number: int) -> str:
    """Write down a second; many phones register in the same one, and calls begin and end in it."""
    return str(_EPOCH + number * _SECOND)


@lru_cache(maxsize=1024)
def epoch(value: datetime | str) -> float:
    """Give a column value as Unix seconds; SQLite gives text, other engines a time.

    Many phones registered in the same second: their bindings have the same objects.
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return (value - _EPOCH) / _SECOND


def instant(at: datetime) -> str:
    """Give an aware time as a column value, milliseconds kept."""
    since = at - _EPOCH_UTC
    second = _second(since.days * _DAY + since.seconds)
    return f"{second}.{str(since.microseconds // 1000).zfill(3)}000"


def split_aor(aor: str) -> tuple[str, str]:
    """Split an address of record into the columns username and domain ("" when it has none)."""
    username, at, domain = text(aor).rpartition("@")
    return (username, domain) if at else (domain, "")


def split_path(path: str | None) -> tuple[str, ...]:
    """Give the values of a stored Path; a comma within angle brackets belongs to the URI."""
    if not path:
        return ()
    if "," not in path:
        return (path.strip(),)
    parts, depth, start = [], 0, 0
    for index, character in enumerate(path):
        if character == "<":
            depth += 1
        elif character == ">":
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append(path[start:index])
            start = index + 1
    parts.append(path[start:])
    return tuple(part.strip() for part in parts if part.strip())


def binding_rows(binding: Binding) -> tuple[Row, Row]:
    """Give what finds a binding's row, and the row, of table location."""
    received, path, socket, instance = binding.received, binding.path, binding.socket, binding.instance
    methods, reg_id = binding.methods, binding.reg_id
    aor, contact, call_id, user_agent = texts(
        binding.aor, binding.contact, binding.call_id, binding.user_agent
    )
    username, at, domain = aor.rpartition("@")
    if not at:
        username, domain = domain, ""
    row = (
        username,
        domain,
        contact,
        None if received is None else text(received),
        text(",".join(path)) if path else None,
        moment(binding.expires),
        binding.q,
        call_id,
        bounded(binding.cseq),
        moment(binding.last_modified),
        bounded(binding.flags),
        bounded(binding.cflags),
        user_agent,
        None if socket is None else text(socket),
        None if methods is None else bounded(methods),
        None if instance is None else text(instance),
        None if reg_id is None else bounded(reg_id),
    )
    return row[:3], row


def is_only_refreshed(previous: Binding, binding: Binding) -> bool:
    """Tell whether a phone that registers again leaves all as it is that `refresh_row` does not have.

    Nearly always it does. The contact is for the caller to compare.
    """
    return (
        (previous.traits is binding.traits or previous.traits == binding.traits)
        and previous.aor == binding.aor
        and previous.received == binding.received
        and previous.path == binding.path
        and previous.instance == binding.instance
        and previous.reg_id == binding.reg_id
    )


def refresh_row(binding: Binding) -> Row:
    """Give what finds a binding's row, and what changes in it when nothing else has changed."""
    aor, contact, call_id, cseq = binding.aor, binding.contact, binding.call_id, binding.cseq
    whole = aor + contact + call_id
    if not whole.isascii() or "\0" in whole:
        aor, contact, call_id = text(aor), text(contact), text(call_id)
    username, at, domain = aor.rpartition("@")
    if not at:
        username, domain = domain, ""
    expires, last_modified = moment(binding.expires), moment(binding.last_modified)
    return (
        username,
        domain,
        contact,
        expires,
        call_id,
        cseq if 0 <= cseq <= INT_MAX else bounded(cseq),
        last_modified,
    )


def binding_key(binding: Binding) -> Row:
    """Give what finds a binding's row."""
    return *split_aor(binding.aor), text(binding.contact)


def binding_fields(row: Any) -> dict[str, Any]:
    """Give the fields of a binding as a row has them; it has no flow until the phone is heard of again."""
    (username, domain, contact, received, path, expires, q, callid, cseq, last_modified, flags, cflags,
     user_agent, socket, methods, instance, reg_id) = row  # fmt: skip
    return {
        "aor": f"{username}@{domain}" if domain else username,
        "contact": contact,
        "received": received,
        "path": split_path(path) if path else (),
        "q": q,
        "expires": epoch(expires),
        "call_id": callid,
        "cseq": cseq,
        "user_agent": user_agent,
        "socket": socket,
        "flags": flags,
        "cflags": cflags,
        "methods": methods,
        "instance": instance,
        "reg_id": reg_id,
        "last_modified": epoch(last_modified),
    }


def missed_row(row: AccRow) -> Row:
    """Give the row of table missed_calls."""
    return (
        *texts(row.method, row.from_tag, row.to_tag, row.callid, row.sip_code, row.sip_reason),
        instant(row.time),
    )


def acc_row(row: AccRow) -> Row:
    """Give the row of table acc."""
    created, duration, setup, milliseconds = row.created, row.duration, row.setuptime, row.ms_duration
    if not (0 <= duration <= milliseconds <= INT_MAX and 0 <= setup <= INT_MAX):
        duration, setup, milliseconds = bounded(duration), bounded(setup), bounded(milliseconds)
    return (
        *texts(row.method, row.from_tag, row.to_tag, row.callid, row.sip_code, row.sip_reason),
        instant(row.time),
        duration,
        setup,
        None if created is None else instant(created),
        milliseconds,
    )


def cdr_row(cdr: Cdr, made_at: str) -> Row:
    """Give the row of table cdrs; its first four values find it.

    Args:
        cdr: the record.
        made_at: the time of the row, as a column value.
    """
    call_id, from_tag, to_tag, caller, callee, request_uri, released_by, cause, reason = texts(
        cdr.call_id, cdr.from_tag, cdr.to_tag, cdr.caller, cdr.callee, cdr.request_uri,
        cdr.released_by, cdr.cause, cdr.reason,
    )  # fmt: skip
    return (
        call_id,
        from_tag,
        to_tag,
        instant(cdr.start),
        bounded(cdr.duration_ms // 1000),
        made_at,
        caller,
        callee,
        request_uri,
        None if cdr.answer is None else instant(cdr.answer),
        instant(cdr.end),
        cdr.duration_ms,
        cdr.setup_ms,
        released_by,
        cause,
        str(cdr.code) if cdr.code else "",
        reason,
    )
