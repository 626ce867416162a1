"""The ordered multimap of a message's header lines.

Strategy: a line stays the raw text that came, folds and spelling included, and is written out again as it
is; only a line that is changed is made anew. Two lists run in parallel, the canonical names and the lines.
Where a name stands is told by the outline (`_outline`), which all messages with these names share, so that no
index is kept up; after a change of the names it is looked for again when it is asked for. Typed values are
parsed when first asked for and kept in a cache under the canonical name until a line of that name changes
(`*via` is the topmost one beside the list `via`). What a typed value means is `_typed`.

Source: RFC 3261 §7.3
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ._errors import LocalProtocolError, shown
from ._grammar import BLANKS, first_comma, one_line, split_list, unfold
from ._names import CANONICAL, NOT_LISTS, WRITTEN_NAMES, canonical_name
from ._outline import Places, outline_of

_EMPTY = ", \t\r\n"
_ENDS_NO_VALUE = ": \t\r\n"
_PACKED_END = "\r\r"
"""What ends each line but the last of those that are packed: in a line an LF comes after each CR."""


class Headers:
    """Header lines in order, found by name in any case or compact form."""

    __slots__ = ("_at", "_cache", "_changed", "_lines", "_names", "_packed")

    _at: Places | None
    """Where each name stands, -1 when it stands there more than once; None when the names have changed and it
    was not asked for since. All messages of that outline share it."""

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        """Build headers.

        Args:
            items: names and values in the order they are to be written.

        Raises:
            LocalProtocolError: a name is no token, or a value holds a line break or NUL.
        """
        self._names: list[str] = []
        self._lines: list[str] = []
        self._at = None
        self._cache: dict[str, Any] = {}
        self._changed = True
        for name, value in items:
            self.add(name, value)

    def pack(self) -> None:
        """Keep one text in place of all lines, names and values, until one of them is asked for.

        For who keeps a message that hardly anybody will look at again: it takes a fifth of the memory.
        """
        self._packed = _PACKED_END.join(self._lines)
        del self._lines, self._names
        self._at = None
        self._cache.clear()
        self.__class__ = _PackedHeaders

    def get(self, name: str) -> str | None:
        """Give the first line's value, unfolded and stripped, or None."""
        at = self._at
        index = -1 if at is None else at.get(name, -1)
        if index < 0:
            name = CANONICAL.get(name) or canonical_name(name)
            names = self._names
            if name not in (names if at is None else at):
                return None
            index = names.index(name)
        value = self._lines[index].partition(":")[2]
        return (unfold(value) if "\n" in value else value).strip(BLANKS)

    def get_all(self, name: str) -> list[str]:
        """Give the value of every line of that name, unfolded and stripped."""
        name = CANONICAL.get(name) or canonical_name(name)
        return [value_of(line) for line in self._lines_of(name)]

    def values(self, name: str) -> list[str]:
        """Give every single value, topmost first: split at commas outside quotes, brackets and comments.

        A header whose values may hold commas (Date, Authorization, Subject, ...) gives one value a line.
        Source: RFC 3261 §7.3.1
        """
        name = CANONICAL.get(name) or canonical_name(name)
        names = self._names
        at = self._at
        if name not in (names if at is None else at):
            return []
        if names.count(name) == 1:
            value = value_of(self._lines[names.index(name)])
            return split_list(value) if "," in value and name not in NOT_LISTS else [value] if value else []
        lines = self.get_all(name)
        if name in NOT_LISTS:
            return lines
        return [value for line in lines for value in split_list(line)]

    def count(self, name: str) -> int:
        """Count the single values, as `values` gives them."""
        name = CANONICAL.get(name) or canonical_name(name)
        at = self._at
        if at is None:
            at = self._find()
        if name not in at:
            return 0
        index = at[name]
        if index >= 0:
            line = self._lines[index]
            if "," not in line and line[-1] not in _ENDS_NO_VALUE:
                return 1
        return len(self.values(name))

    def top_value(self, name: str) -> str | None:
        """Give the topmost single value, or None."""
        at = self._at
        index = -1 if at is None else at.get(name, -1)
        if index < 0:
            name = CANONICAL.get(name) or canonical_name(name)
            names = self._names
            if name not in (names if at is None else at):
                return None
            index = names.index(name)
        line = self._lines[index]
        value = line.partition(":")[2]
        if "," not in value:
            value = (unfold(value) if "\n" in value else value).strip(BLANKS)
            if value:
                return value
        values = self.values(name)
        return values[0] if values else None

    def only_value(self, name: str) -> str | None:
        """Give the value of a header that comes in one line and holds one value, or None."""
        at = self._at
        index = -1 if at is None else at.get(name, -1)
        if index < 0:
            name = CANONICAL.get(name) or canonical_name(name)
            names = self._names
            if names.count(name) != 1:
                return None
            index = names.index(name)
        value = self._lines[index].partition(":")[2]
        if "," in value:
            values = self.values(name)
            return values[0] if len(values) == 1 else None
        return (unfold(value) if "\n" in value else value).strip(BLANKS) or None

    def __contains__(self, name: object) -> bool:
        at = self._at
        if at is None:
            at = self._find()
        return name in at or (
            name not in WRITTEN_NAMES and isinstance(name, str) and canonical_name(name) in at
        )

    def __len__(self) -> int:
        """Count the header lines."""
        return len(self._lines)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return self.items()

    def names(self) -> list[str]:
        """Give the names present, lower-case long forms, in the order of their first lines."""
        return list(dict.fromkeys(self._names))

    def items(self) -> Iterator[tuple[str, str]]:
        """Give each line as its name as spelled and its value, unfolded and stripped."""
        for line in list(self._lines):
            yield line.partition(":")[0].rstrip(" \t"), value_of(line)

    def add(self, name: str, value: str) -> None:
        """Append a line at the end.

        Raises:
            LocalProtocolError: the name is no token, or the value holds a line break or NUL.
        """
        canonical = CANONICAL.get(name) or canonical_name(name)
        line = _line(canonical, name, value)
        self._names.append(canonical)
        self._lines.append(line)
        self._at = None
        self._forget(canonical)

    def extend(self, name: str, values: Iterable[str]) -> None:
        """Append a line at the end for each value."""
        for value in values:
            self.add(name, value)

    def prepend(self, name: str, value: str) -> None:
        """Write a new line above the first of that name, or above all lines when there is none."""
        canonical = CANONICAL.get(name) or canonical_name(name)
        line = _line(canonical, name, value)
        names = self._names
        index = names.index(canonical) if canonical in names else 0
        names.insert(index, canonical)
        self._lines.insert(index, line)
        self._at = None
        self._forget(canonical)

    def set(self, name: str, value: str) -> None:
        """Make this the only line of that name: in the place of the first one, or at the end."""
        canonical = CANONICAL.get(name) or canonical_name(name)
        line = _line(canonical, name, value)
        names = self._names
        count = names.count(canonical)
        if count != 1:
            self._at = None
        if not count:
            names.append(canonical)
            self._lines.append(line)
        else:
            index = names.index(canonical)
            if count > 1:
                self.remove(canonical)
                names.insert(index, canonical)
                self._lines.insert(index, line)
            else:
                self._lines[index] = line
        self._forget(canonical)

    def remove(self, name: str) -> int:
        """Take out every line of that name.

        Returns:
            How many lines there were.
        """
        canonical = CANONICAL.get(name) or canonical_name(name)
        names, lines = self._names, self._lines
        count = names.count(canonical)
        for _ in range(count):
            index = names.index(canonical)
            del names[index], lines[index]
        if count:
            self._at = None
            self._forget(canonical)
        return count

    def pop_value(self, name: str) -> str | None:
        """Take out the topmost single value, such as our Via of a response or our Route of a request.

        Returns:
            The value, or None when there was none.
        """
        canonical = CANONICAL.get(name) or canonical_name(name)
        names, lines = self._names, self._lines
        self._at = None
        while canonical in names:
            index = names.index(canonical)
            head, _, value = lines[index].partition(":")
            end = first_comma(value) if "," in value and canonical not in NOT_LISTS else -1
            if end < 0:
                top, rest = value, ""
                del names[index], lines[index]
            else:
                top, rest = value[:end], value[end + 1 :].lstrip(BLANKS)
                lines[index] = f"{head}: {rest}"
            self._forget(canonical)
            top = one_line(top)
            if end >= 0 and not rest:
                del names[index], lines[index]
            if top:
                return top
        return None

    def drop_top(self, name: str) -> bool:
        """Take out the topmost single value, as `pop_value` does, for whom it is enough to know that it went.

        Returns:
            Whether a line of that name is left.
        """
        at = self._at
        if at is None:
            at = self._find()
        index = at.get(name)
        if index is None:
            name = CANONICAL.get(name) or canonical_name(name)
            index = at.get(name)
            if index is None:
                return False
        names, lines = self._names, self._lines
        is_only = index >= 0
        if not is_only:
            index = names.index(name)
        line = lines[index]
        if "," in line:
            first, _, rest = line.partition(",")
            rest = rest.lstrip(BLANKS)
            is_plain = rest and '"' not in first and "<" not in first and "(" not in first
            if is_plain and first[-1] not in _ENDS_NO_VALUE and name not in NOT_LISTS:
                # such as Vias that come back
                lines[index] = first.partition(":")[0] + ": " + rest
                self._forget(name)
                return True
            self.pop_value(name)
        elif line[-1] in _ENDS_NO_VALUE:
            self.pop_value(name)
        else:
            del names[index], lines[index]
            self._at = at.without(name) if is_only else None
            self._forget(name)
            return not is_only
        return name in names

    def replace_top(self, name: str, value: str) -> None:
        """Put another in place of the topmost single value; the values after it on the line stay as spelled.

        Raises:
            LocalProtocolError: there is none to replace, or the value holds a line break or NUL.
        """
        canonical = CANONICAL.get(name) or canonical_name(name)
        names = self._names
        if canonical not in names:
            raise LocalProtocolError(f"no {name} to replace: use add or prepend")
        check_value(name, value)
        index = names.index(canonical)
        head, _, rest = self._lines[index].partition(":")
        if not rest.strip(_EMPTY):
            index = self._first_with_value(canonical) or index
            head, _, rest = self._lines[index].partition(":")
        end = -1
        if "," in rest and canonical not in NOT_LISTS:
            rest = rest.lstrip(_EMPTY)
            end = first_comma(rest)
        self._lines[index] = f"{head}: {value}" if end < 0 else f"{head}: {value}{rest[end:]}"
        self._forget(canonical)

    def copy(self) -> Headers:
        """Make an independent copy; parsed values are shared, which is why they are immutable."""
        copy = Headers.__new__(Headers)
        copy._names = self._names.copy()
        copy._lines = self._lines.copy()
        copy._at = self._at
        copy._cache = self._cache.copy()
        copy._changed = self._changed
        return copy

    def _find(self) -> Places:
        """Find again where each name stands."""
        at = self._at = outline_of(self._names)[1]
        return at

    def _lines_of(self, canonical: str) -> list[str]:
        names = self._names
        count = names.count(canonical)
        if count == 1:
            return [self._lines[names.index(canonical)]]
        if not count:
            return []
        return [line for name, line in zip(names, self._lines, strict=True) if name == canonical]

    def _first_with_value(self, canonical: str) -> int | None:
        for index, name in enumerate(self._names):
            if name == canonical and self._lines[index].partition(":")[2].strip(_EMPTY):
                return index
        return None

    def _forget(self, canonical: str) -> None:
        self._changed = True
        cache = self._cache
        if canonical in cache:
            del cache[canonical]
        if "*via" in cache and canonical == "via":
            del cache["*via"]

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same lines, to the letter."""
        return isinstance(other, Headers) and self._lines == other._lines

    def __hash__(self) -> int:
        raise TypeError("headers are mutable and have no hash")

    def __repr__(self) -> str:
        return f"Headers({list(self.items())!r})"


class _PackedHeaders(Headers):
    """Headers that are packed: to ask for their lines or names makes common ones of them.

    It is a class of its own because the interpreter looks up attributes the slow way where there is a
    `__getattr__`.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> list[str]:
        if name not in ("_lines", "_names"):
            raise AttributeError(name)
        packed = self._packed
        del self._packed
        self.__class__ = Headers  # type: ignore[assignment]
        lines = self._lines = packed.split(_PACKED_END) if packed else []
        self._names = [canonical_name(line.partition(":")[0].rstrip(BLANKS)) for line in lines]
        found: list[str] = getattr(self, name)
        return found


def value_of(line: str) -> str:
    """Give what follows a line's name, unfolded and stripped."""
    value = line.partition(":")[2]
    return (unfold(value) if "\n" in value else value).strip(BLANKS)


def breaks_line(value: str) -> bool:
    """Whether a value cannot be written on one line."""
    return "\r" in value or "\n" in value or "\0" in value


def _line(canonical: str, name: str, value: str) -> str:
    if breaks_line(value):
        check_value(name, value)
    return f"{WRITTEN_NAMES.get(canonical) or name}: {value}"


def check_value(name: str, value: str) -> None:
    """Refuse a value that cannot be written on one line."""
    if breaks_line(value):
        raise LocalProtocolError(f"{name}: a header value holds no line break and no NUL, got {shown(value)}")
