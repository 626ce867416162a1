"""Bencode, the coding of the NG protocol: integers, byte strings, lists and dictionaries.

What belongs here is the coding. Two liberties are taken with what comes in, as the NG protocol takes them:
dictionary keys may stand in any order, and strings need not be text.
"""

from functools import lru_cache
from typing import TypeAlias

from trunkline.media_relay._errors import LocalProtocolError, RemoteProtocolError

Bencoded: TypeAlias = int | bytes | list["Bencoded"] | dict[str, "Bencoded"]
"""What `bdecode` gives: strings are bytes, keys are text."""

MAX_DEPTH = 16


def bencode(value: object) -> bytes:
    """Encode int, bool, str, bytes, lists, tuples and dictionaries of them.

    Returns: the bytes; dictionary keys are sorted.
    Raises: LocalProtocolError for anything else.
    Source: BEP 3
    """
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, dict):
        return b"d%be" % b"".join([_key(key) + bencode(value[key]) for key in sorted(value)])
    if isinstance(value, list | tuple):
        return b"l%be" % b"".join([bencode(item) for item in value])
    raise LocalProtocolError(f"expected what bencode can carry, got {type(value).__name__}")


@lru_cache(256)
def _key(key: str) -> bytes:
    """Encode a key; they are few and come again and again."""
    return bencode(key)


def bdecode(data: bytes) -> Bencoded:
    """Decode one value; nothing may follow it.

    Raises: RemoteProtocolError
    Source: BEP 3
    """
    value, end = _read(data, 0, 0)
    if end != len(data):
        raise _broken(f"expected the end, got {data[end : end + 16]!r}", end)
    return value


def _read(data: bytes, start: int, depth: int) -> tuple[Bencoded, int]:
    kind = data[start : start + 1]
    if kind.isdigit():
        return _read_string(data, start)
    if kind == b"i":
        end = data.find(b"e", start, start + 22)
        digits = data[start + 1 : end]
        if end < 0 or not digits.removeprefix(b"-").isdigit():
            raise _broken(f"expected an integer, got {data[start : start + 22]!r}", start)
        return int(digits), end + 1
    if kind not in (b"l", b"d"):
        raise _broken(f"expected a value, got {data[start : start + 16]!r}", start)
    if depth >= MAX_DEPTH:
        raise _broken(f"expected at most {MAX_DEPTH} levels", start)
    position = start + 1
    if kind == b"l":
        items: list[Bencoded] = []
        while data[position : position + 1] != b"e":
            item, position = _read(data, position, depth + 1)
            items.append(item)
        return items, position + 1
    mapping: dict[str, Bencoded] = {}
    while data[position : position + 1] != b"e":
        key, position = _read_string(data, position)
        mapping[key.decode("utf-8", "surrogateescape")], position = _read(data, position, depth + 1)
    return mapping, position + 1


def _read_string(data: bytes, start: int) -> tuple[bytes, int]:
    colon = data.find(b":", start, start + 8)
    digits = data[start:colon]
    if colon < 0 or not digits.isdigit():
        raise _broken(f"expected a string, got {data[start : start + 16]!r}", start)
    end = colon + 1 + int(digits)
    if end > len(data):
        raise _broken(f"expected a string of {int(digits)} bytes, got {len(data) - colon - 1}", start)
    return data[colon + 1 : end], end


def _broken(reason: str, offset: int) -> RemoteProtocolError:
    return RemoteProtocolError(reason, 400, "bencode", offset)
