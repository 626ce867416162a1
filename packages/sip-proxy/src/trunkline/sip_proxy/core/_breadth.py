"""Max-Breadth: how many branches a request may have at one time, here and in every proxy after us.

Max-Forwards bounds how deep a request goes; without a bound on how wide it goes, a handful of bindings that
point at each other turn one request into millions. What a request was granted is divided among the branches
under way; a branch that has ended gives its part back, so that trying one after the other costs nothing.

Here: reading what was granted and dividing it. Not here: who ends when (`_forking`).

Source: RFC 5393 §5
"""

from __future__ import annotations

from trunkline.sip_parser import RemoteProtocolError, Request

MAX_BREADTH = 60
"""What a request is granted that says nothing. Source: RFC 5393 §5.3.3"""
_MOST_DIGITS = 10


def granted(request: Request, most: int = MAX_BREADTH) -> int:
    """Give how many branches a request may have at one time: what it says, at most `most`.

    Raises:
        RemoteProtocolError: its Max-Breadth cannot be read.

    Source: RFC 5393 §5.3.3
    """
    value = request.headers.get("max-breadth")
    if value is None:
        return most
    if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
        raise RemoteProtocolError(f"Max-Breadth: expected a number, got {value!r}", 400, "RFC 5393 §5.3.1")
    return min(int(value), most)


def divided(breadth: int, branches: int) -> list[int]:
    """Divide what is left among so many new branches, as evenly as it goes; [] when it is not enough.

    Up to half is kept back for whoever turns up while these ring, such as a phone woken by a push (RFC 8599).
    """
    if branches > breadth:
        return []
    if branches == 1:
        return [breadth - breadth // 2]
    share, more = divmod(max(branches, breadth - breadth // 2), branches)
    return [share + (number < more) for number in range(branches)]
