"""What a delete command takes away: the session, one branch of it, or one of several parties of a side."""

from ._leg import Leg
from ._session import Session


def doomed(
    session: Session, from_tag: str, to_tag: str, via_branch: str
) -> Session | Leg | tuple[Leg, str] | None:
    """Find what is meant. The tags may come in either order.

    Without tags, or with one known tag, the session is meant. With both, the dialog between them: while other
    branches of a fork are there, only that branch goes.

    Returns: the session, a side with ports of its own, (a side, one of its tags), or None when nobody is
        known by these tags.
    """
    if not (from_tag or to_tag or via_branch):
        return session
    one, other = session.by_tag.get(from_tag), session.by_tag.get(to_tag)
    if one is None and other is None:
        return None
    for leg in session.legs:
        if via_branch and leg.via_branch == via_branch and leg.peer in (one, other):
            return _branch(session, leg)
    if not from_tag or not to_tag:
        return session
    if one is None or other is None:
        known = one or other
        assert known is not None
        return None if any(leg.tags for leg in session.legs if leg is not known) else session
    for leg, tag in ((other, to_tag), (one, from_tag)):
        if len(leg.tags) > 1:
            return leg, tag
    for leg in (other, one):
        found = _branch(session, leg)
        if found is leg:
            return leg
    return session


def _branch(session: Session, leg: Leg) -> Session | Leg:
    """Give the side itself when its peer has other branches, else the session."""
    rest = any(known.peer is leg.peer and known is not leg for known in session.legs)
    return leg if rest else session
