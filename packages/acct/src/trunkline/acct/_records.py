"""Flat values to JSON types and back, for journals.

Knows how a value is written down (text, whole numbers, times in ISO 8601 UTC, text maps); what the
values mean is in the files that define them. One record is one flat dict.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar, get_type_hints

import attrs

from ._errors import LocalProtocolError, RecordError

Record = dict[str, Any]
_ODD_MICROSECONDS = [timedelta(microseconds=count) for count in range(1000)]
"Subtracting one of these takes a tenth of the time of `datetime.replace`."

_Value = TypeVar("_Value", bound=attrs.AttrsInstance)


def milliseconds(at: datetime, whose: str) -> datetime:
    """Give `at` in UTC, cut to whole milliseconds: the resolution of every accounting time.

    Raises:
        LocalProtocolError: the time has no zone; `whose` names what carried it.
    """
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise LocalProtocolError(
                f"{whose}: expected a time with a zone, got {at!r}; "
                "use datetime.now(UTC) or .replace(tzinfo=UTC)"
            )
        at = at.astimezone(UTC)
    odd = at.microsecond % 1000
    return at - _ODD_MICROSECONDS[odd] if odd else at


def to_record(value: Any) -> Record:
    """Write an attrs value down as a flat dict of JSON types, times in UTC."""
    shape = _shape(type(value))
    record: Record = dict(zip(shape.readers, shape.values_of(value), strict=True))
    for name in shape.times:
        at = record[name]
        if at is not None:
            record[name] = (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat()
    for name in shape.maps:
        record[name] = record[name].copy()
    return record


def from_record(cls: type[_Value], record: Mapping[str, Any]) -> _Value:
    """Read an attrs value back from its record.

    Keys that the class does not know are passed over, so that an older version can read what a
    newer one wrote; a key that is not there takes the class's default.

    Raises:
        RecordError: a key is missing or holds something of the wrong kind.
    """
    arguments = {}
    for name, read in _shape(cls).readers.items():
        if name not in record:
            continue
        try:
            arguments[name] = read(record[name])
        except (TypeError, ValueError, OverflowError) as error:
            raise RecordError(f"{cls.__name__} record, {name}: {error}", name) from error
    try:
        return cls(**arguments)
    except TypeError:
        missing = [
            field.name
            for field in attrs.fields(cls)
            if field.default is attrs.NOTHING and field.name not in arguments
        ]
        raise RecordError(f"{cls.__name__} record: {', '.join(missing)} missing", missing[0]) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r}")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a whole number, got {value!r}")
    return value


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None:
        raise ValueError(f"expected a time with a zone, got {value!r}")
    return at.astimezone(UTC)


def _time_or_none(value: Any) -> datetime | None:
    return None if value is None else _time(value)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a map of texts, got {value!r}")
    return {_text(key): _text(item) for key, item in value.items()}


_BY_TYPE: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    int: _number,
    datetime: _time,
    datetime | None: _time_or_none,
    dict[str, str]: _texts,
}


@attrs.frozen
class _Shape:
    """What the fields of an attrs class are."""

    readers: dict[str, Callable[[Any], Any]]
    "how to read each, in order"

    values_of: Callable[[Any], tuple[Any, ...]]
    "gives them all, in order"

    times: tuple[str, ...]
    maps: tuple[str, ...]


_KNOWN: dict[type, _Shape] = {}


def _shape(cls: type) -> _Shape:
    """Give the shape of an attrs class, worked out once from its annotations."""
    shape = _KNOWN.get(cls)
    if shape is None:
        hints = get_type_hints(cls)
        readers = {field.name: _BY_TYPE[hints[field.name]] for field in attrs.fields(cls)}
        times = tuple(name for name, read in readers.items() if read in (_time, _time_or_none))
        maps = tuple(name for name, read in readers.items() if read is _texts)
        shape = _KNOWN[cls] = _Shape(readers, attrgetter(*readers), times, maps)
    return shape
