"""The outline of a head: which names its lines have, and how a head of a known outline is cut into its lines.

Strategy: a phone writes the same headers in the same order each time. So what names say by themselves (which
are there, which twice, where Content-Length is) is remembered by the names. And a head whose lines begin as
those of one before is cut and named by one expression, which takes less than half of splitting it and naming
it line by line. To make an expression takes as long as reading some forty heads, so that one head in many
that none fits is taken for a model; and as each that does not fit takes time too, few are tried. What is not
cut so, `_head` splits: the two give the same, and nothing is refused here.

Source: RFC 3261 §7.3
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

MANDATORY: Final = ("via", "from", "to", "call-id", "cseq")
"""The headers without which nothing can be answered."""
_ASKED_FOR_WHERE_THERE: Final = ("max-forwards", "contact")
"""What is read ahead, besides the mandatory ones; none of them has a reader of its own (`_typed`)."""
_OUTLINES: Final = 512
_OUTLINED: Final = 64
"""How many outlines are remembered, of at most this many lines each."""
_TRIED: Final = 4
"""How many expressions a head is tried with."""
_MODEL_EVERY: Final = 32
_MODEL_LENGTH: Final = 1024
"""Of how many heads that none fits one becomes a model, if its names together are no longer than this."""


Early: TypeAlias = tuple[int, int, int, int, tuple[tuple[str, int], ...]]
"""Where To, From, CSeq and Call-ID stand, and what else is to be read ahead, with where it is."""


class Places(dict[str, int]):
    """Where each name stands in a head, -1 for one that comes again."""

    __slots__ = ("_names", "_without")

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        for index, name in enumerate(names):
            self[name] = -1 if name in self else index
        self._names = tuple(names)
        self._without: dict[str, Places] = {}

    def without(self, name: str) -> Places:
        """Give the places once the line of a name that comes once is gone, as Routes and Vias go."""
        found = self._without.get(name)
        if found is None:
            found = self._without[name] = outline_of([other for other in self._names if other != name])[1]
        return found


Outline: TypeAlias = tuple[list[str], Places, Early | None]
"""What a head's names say by themselves: the names in the order of the lines, to be copied; where they
stand; and what to read ahead, None when the mandatory headers are not
there, those of one value once. A plain tuple, because every message takes it apart."""


def outline_of(names: Sequence[str]) -> Outline:
    """Say what these names say, in the order of their lines."""
    return _remembered(tuple(names)) if len(names) <= _OUTLINED else _look_at(names)


def _look_at(names: Sequence[str]) -> Outline:
    at = Places(names)
    early: Early | None = None
    if "via" in at and all(at.get(name, -1) >= 0 for name in MANDATORY[1:]):
        others = tuple([(name, at[name]) for name in _ASKED_FOR_WHERE_THERE if at.get(name, -1) >= 0])
        early = at["to"], at["from"], at["cseq"], at["call-id"], others
    return list(names), at, early


_remembered = lru_cache(_OUTLINES)(_look_at)
"""Each kind of phone has few outlines, a header here and there."""

Cut: TypeAlias = tuple[list[str], Outline]
"""A head's lines and their outline."""


class Forms:
    """The forms that heads of one kind come in, such as those of an INVITE or of a 200."""

    __slots__ = ("_others", "_tried")

    def __init__(self) -> None:
        self._tried: list[tuple[re.Pattern[str], Outline]] = []
        self._others = 0

    def cut(self, text: str) -> Cut | None:
        """Cut the header lines of a head apart; None when it has none of the forms, or a stray LF or NUL."""
        for expression, outline in self._tried:
            found = expression.fullmatch(text)
            if found is not None:
                lines = list(found.groups())
                together = "".join(lines)
                return None if "\n" in together or "\0" in together else (lines, outline)
        return None

    def learn(self, lines: list[str], outline: Outline) -> None:
        """Take the lines of a good head that was not cut, every now and then, for a model."""
        self._others += 1
        if self._others % _MODEL_EVERY or len(lines) > _OUTLINED:
            return
        spelled = tuple([line.partition(":")[0] for line in lines])
        if len("".join(spelled)) <= _MODEL_LENGTH:
            form = _expression(spelled), outline
            self._tried = [form, *[known for known in self._tried if known != form][: _TRIED - 1]]


@lru_cache(_OUTLINES)
def _expression(spelled: tuple[str, ...]) -> re.Pattern[str]:
    """Match lines that begin with these names, each as a group; none can hold a CR."""
    return re.compile("\r\n".join([f"({re.escape(name)}:[^\r]*+)" for name in spelled]))
