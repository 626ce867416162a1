"""Session timers as a proxy has a hand in them: what it writes into messages, and what it refuses.

Here: Session-Expires and Min-SE of requests and their 2xx. Nothing is kept from a request to its response:
what must be remembered of the caller stands in the request. Not here: when a session is over (`_sessions`),
and the user agent's side (`trunkline.sip_transaction.SessionTimer`).

Source: RFC 4028 §8
"""

from __future__ import annotations

import attrs

from trunkline.sip_parser import RemoteProtocolError, Request, Response

SMALLEST_MIN_SE = 90
"""Seconds; no one may ask for sessions to be refreshed more often. Source: RFC 4028 §5"""


@attrs.frozen
class SessionTimers:
    """Have the phones show, every so often, that a call is still up."""

    session_expires: int = 1800
    """Seconds a session lasts without a refresh, when the phones themselves do not choose less."""
    min_se: int = SMALLEST_MIN_SE
    """Seconds; a caller that asks for less is told so. Below 90 only for tests."""

    def __attrs_post_init__(self) -> None:
        if not 0 < self.min_se <= self.session_expires:
            raise ValueError(
                f"expected 0 < min_se <= session_expires, got {self.min_se} and {self.session_expires}"
            )

    def ask(self, request: Request) -> int | None:
        """Write the wanted interval into an INVITE or UPDATE that is to be forwarded.

        One that asks for nothing gets ours, one that asks for more gets less, never less than its Min-SE.

        Args:
            request: changed in place.

        Returns:
            None, or the value of the Min-SE to refuse the request with: 422 (Session Interval Too Small).

        Raises:
            RemoteProtocolError: Session-Expires or Min-SE cannot be read.

        Source: RFC 4028 §8.1
        """
        headers = request.headers
        if "session-expires" not in headers and "min-se" not in headers:
            headers.add("Session-Expires", str(self.session_expires))  # which is not below our own Min-SE
            return None
        asked = request.session_expires if "session-expires" in headers else None
        smallest = max(request.min_se or 0, self.min_se) if "min-se" in headers else self.min_se
        if asked is None:
            headers.add("Session-Expires", str(max(self.session_expires, smallest)))
            return None
        interval = int(asked.value)
        if interval < self.min_se:
            if "timer" in request.supported:
                return self.min_se
            # Who does not know what a 422 is would lose the call by it. Only here may a proxy write a Min-SE.
            headers.set("Min-SE", str(smallest))
            headers.set("Session-Expires", str(attrs.evolve(asked, value=str(smallest))))
        elif interval > self.session_expires and interval > smallest:
            lower = str(max(self.session_expires, smallest))
            headers.set("Session-Expires", str(attrs.evolve(asked, value=lower)))
        return None

    def answer(self, request: Request, response: Response) -> None:
        """Make the caller refresh where the callee does not know how to; changes a 2xx in place.

        Where neither knows, nothing is written, and the session does not expire.

        Args:
            request: as forwarded, without our Via.
            response: a 2xx to it, as it is to be relayed.

        Source: RFC 4028 §8.2
        """
        headers = response.headers
        if "session-expires" in headers or "timer" not in request.supported:
            return
        asked = request.session_expires
        if asked is None:
            return
        headers.add("Session-Expires", f"{asked.value};refresher=uac")
        if "timer" not in response.require:
            headers.add("Require", "timer")


def session_interval(response: Response) -> int | None:
    """Read the seconds a 2xx to an INVITE or UPDATE gives the session; None when it does not expire.

    One that cannot be read counts as none, as nobody will refresh by it.

    Source: RFC 4028 §8.2
    """
    if "session-expires" not in response.headers:
        return None
    try:
        expires = response.session_expires
    except RemoteProtocolError:
        return None
    return None if expires is None else int(expires.value) or None
