"""ClientAuthenticator: answers a digest challenge with the credentials of one user.

Not here: the grammar and the arithmetic (`trunkline.sip_parser`), and challenging others
(`trunkline.sip_proxy.auth`).

Source: RFC 3261 §22, RFC 7616, RFC 8760
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from trunkline.sip_parser import (
    DIGEST_ALGORITHMS,
    MAGIC_COOKIE,
    DigestChallenge,
    DigestCredentials,
    RemoteProtocolError,
    Request,
    Response,
    SipError,
    digest_response,
    ha1,
)

_ANSWERED_BY: Final = {"www-authenticate": "Authorization", "proxy-authenticate": "Proxy-Authorization"}


class ChallengeRefused(SipError):
    """The challenge cannot be met: the credentials were just rejected, or it asks for what we do not have."""


@attrs.define(slots=True, eq=False)
class _Session:
    """One realm's last challenge and how often its nonce was used."""

    challenge: DigestChallenge
    header: str
    count: int = 0


class ClientAuthenticator:
    """Keep the credentials of one user, and the nonces of the realms that challenged them."""

    __slots__ = ("_password", "_sessions", "username")

    def __init__(self, username: str, password: str) -> None:
        """Make an authenticator for one user, in whatever realm asks."""
        self.username = username
        self._password = password
        self._sessions: dict[tuple[str, str], _Session] = {}

    def __repr__(self) -> str:
        return f"<ClientAuthenticator {self.username}>"

    def authorize(self, request: Request, response: Response, token: Callable[[int], bytes]) -> Request:
        """Make the request that answers a 401 or 407.

        Of several challenges of a realm the first we can compute is answered, as the server's order is its
        preference; every realm that asked is answered.

        Args: `request` as it was refused, not changed; `token` gives random bytes.
        Returns: a copy with credentials, the next CSeq number (which a dialog must be told of) and a new
        branch in its top Via.
        Raises: ChallengeRefused when the same credentials were rejected just now, or when there is no
        challenge of scheme Digest with a known algorithm.
        Source: RFC 3261 §22.1-22.3, §8.1.3.5, RFC 8760 §2.4
        """
        sessions = self._challenges(response)
        if not sessions:
            raise ChallengeRefused(f"expected a Digest challenge with a known algorithm in {response!r}")
        answer = _next_attempt(request, token)
        for key, session in sessions.items():
            if not session.challenge.stale and self._just_rejected(request, session):
                raise ChallengeRefused(f"the password of {self.username} was rejected for {key[1]}")
            self._sessions[key] = session
            self._answer(answer, session, token)
        return answer

    def preempt(self, request: Request, token: Callable[[int], bytes]) -> None:
        """Add credentials for the realms that asked before, so that they need not ask again.

        Only a nonce that counts its uses (qop) is used again.

        Args: `request` is changed in place, before it is sent.
        Source: RFC 3261 §22.3, RFC 7616 §3.6
        """
        for session in self._sessions.values():
            if session.challenge.qop:
                self._answer(request, session, token)

    def _challenges(self, response: Response) -> dict[tuple[str, str], _Session]:
        sessions: dict[tuple[str, str], _Session] = {}
        for asked, answered in _ANSWERED_BY.items():
            for value in response.headers.values(asked):
                try:
                    challenge = DigestChallenge.parse(value)
                except RemoteProtocolError:
                    continue  # another scheme; a challenge we can meet may stand beside it
                known = challenge.algorithm in DIGEST_ALGORITHMS
                if known and (not challenge.qop or {"auth", "auth-int"} & set(challenge.qop)):
                    sessions.setdefault((answered, challenge.realm), _Session(challenge, answered))
        return sessions

    def _just_rejected(self, request: Request, session: _Session) -> bool:
        # A nonce used more than once may simply have expired, which not every server marks as stale.
        return any(
            found is not None and found.realm == session.challenge.realm and (found.nc or 1) == 1
            for found, _ in _credentials(request, session.header)
        )

    def _answer(self, request: Request, session: _Session, token: Callable[[int], bytes]) -> None:
        challenge = session.challenge
        session.count += 1
        qop = None if not challenge.qop else "auth" if "auth" in challenge.qop else "auth-int"
        needs_cnonce = qop is not None or challenge.algorithm.endswith("-sess")
        cnonce = token(8).hex() if needs_cnonce else None
        count = session.count if qop is not None else None
        response = digest_response(
            ha1(self.username, challenge.realm, self._password, challenge.algorithm),
            method=request.method,
            uri=request.uri,
            nonce=challenge.nonce,
            nc=count,
            cnonce=cnonce,
            qop=qop,
            algorithm=challenge.algorithm,
            body=request.body,
        )
        credentials = DigestCredentials(
            username=self.username,
            realm=challenge.realm,
            nonce=challenge.nonce,
            uri=request.uri,
            response=response,
            algorithm=challenge.algorithm,
            cnonce=cnonce,
            opaque=challenge.opaque,
            qop=qop,
            nc=count,
        )
        present = _credentials(request, session.header)
        kept = [text for other, text in present if other is None or other.realm != challenge.realm]
        request.headers.remove(session.header)
        request.headers.extend(session.header, (*kept, str(credentials)))


def _next_attempt(request: Request, token: Callable[[int], bytes]) -> Request:
    answer = request.copy()
    cseq = request.cseq
    answer.headers.set("CSeq", f"{cseq.number + 1} {cseq.method}")
    via = request.top_via
    params = dict(via.params)
    params["branch"] = MAGIC_COOKIE + token(8).hex()
    answer.headers.replace_top("Via", str(via.replace(params=params)))
    return answer


def _credentials(request: Request, header: str) -> list[tuple[DigestCredentials | None, str]]:
    """Give every value of a header, parsed where it is Digest."""
    found: list[tuple[DigestCredentials | None, str]] = []
    for value in request.headers.get_all(header):
        try:
            found.append((DigestCredentials.parse(value), value))
        except RemoteProtocolError:
            found.append((None, value))
    return found
