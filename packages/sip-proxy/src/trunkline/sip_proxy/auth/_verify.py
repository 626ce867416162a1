"""Are these credentials right?

Here: the digest, what it was made for, and the verdict. Not here: the memory of nonces (`_nonces.py`), nor
what a verdict is answered with, which is the application's policy.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from hmac import compare_digest
from typing import Final

from trunkline.sip_parser import (
    DigestCredentials,
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    TelUri,
    Uri,
    parse_uri,
    unescape,
)
from trunkline.sip_proxy.nat._addresses import same_host

from ._challenge import around_nonce, lines_around_nonce
from ._nonces import Nonces, NonceVerdict

__all__ = ["Authenticator", "Verdict"]

_ALGORITHMS: Final = ("MD5", "SHA-256", "SHA-512-256")
_NOBODY: Final = "00000000000000000000000000000000"


class Verdict(Enum):
    """What to think of credentials."""

    ACCEPTED = "accepted"
    NO_USER = "no user"
    """There is no such user, or no secret for this algorithm. Answer as for `BAD_PASSWORD`: strangers need
    not learn who exists."""
    BAD_PASSWORD = "bad password"
    STALE = "stale"
    """The password is right, the nonce too old."""
    REPLAYED = "replayed"
    """The password is right, but this nonce and count were used before."""
    FORGED = "forged"
    """The password is right, but the nonce is none of ours (a restart without a fixed secret, or an
    attack)."""
    WRONG_URI = "wrong uri"
    """The credentials were made for another Request-URI: 400."""
    MALFORMED = "malformed"
    """An algorithm or qop that was not offered: 400, or a new challenge."""

    @property
    def stale(self) -> bool:
        """Tell whether a new challenge should say stale=true, so that nobody is asked for the password."""
        return self in _STALE


# a member is read out of its class in a quarter of a microsecond, and these two are in every good request
_ACCEPTED: Final = Verdict.ACCEPTED
_GOOD: Final = NonceVerdict.GOOD
_STALE: Final = frozenset((Verdict.STALE, Verdict.REPLAYED, Verdict.FORGED))
_OF_NONCE: Final = {
    NonceVerdict.STALE: Verdict.STALE,
    NonceVerdict.REPLAYED: Verdict.REPLAYED,
    NonceVerdict.FORGED: Verdict.FORGED,
}


class Authenticator:
    """Challenge requests and verify the credentials that come back."""

    __slots__ = ("_algorithms", "_check_uri", "_nonces", "_qop")

    def __init__(
        self,
        nonces: Nonces,
        *,
        algorithms: Sequence[str] = ("MD5",),
        qop: bool = True,
        check_uri: bool = True,
    ) -> None:
        """Make an authenticator.

        Args:
            nonces: of this process.
            algorithms: what to offer, the preferred first; of MD5, SHA-256, SHA-512-256.
            qop: offer qop=auth; clients may still answer without it (RFC 2069), then each nonce is good once.
            check_uri: insist that the credentials were made for the Request-URI.

        Raises:
            LocalProtocolError: no algorithm, or one we do not know.
        """
        unknown = [algorithm for algorithm in algorithms if algorithm not in _ALGORITHMS]
        if unknown or not algorithms or isinstance(algorithms, str):
            raise LocalProtocolError(
                f"digest algorithms: expected some of {', '.join(_ALGORITHMS)}, got {algorithms!r}"
            )
        self._nonces = nonces
        self._algorithms = tuple(algorithms)
        self._qop = qop
        self._check_uri = check_uri

    def challenges(self, realm: str, *, stale: bool = False, at: datetime) -> list[str]:
        """Make the values for the WWW-Authenticate (401) or Proxy-Authenticate (407) of a response.

        Args:
            realm: what the user's password is for, usually the domain.
            stale: tell the client that only its nonce was wrong; see `Verdict.stale`.
            at: aware time.

        Returns:
            One value for each algorithm, the preferred first, each a header field of its own.

        Source: RFC 3261 §22.2, §22.3; RFC 8760 §2.3.
        """
        nonce = self._nonces.issue(at.timestamp())
        around = around_nonce(realm, self._algorithms, self._qop, stale)
        return [begin + nonce + end for begin, end in around]

    def challenge_lines(self, realm: str, *, proxy: bool, stale: bool = False, at: datetime) -> str:
        """Write the same as header lines, each with its CR LF, for an answer that takes them so.

        Args:
            realm: as for `challenges`.
            proxy: write Proxy-Authenticate instead of WWW-Authenticate.
            stale: as for `challenges`.
            at: aware time.

        Raises:
            LocalProtocolError: the realm holds a line break.
        """
        nonce = self._nonces.issue(at.timestamp())
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        around = lines_around_nonce(name, realm, self._algorithms, self._qop, stale)
        if len(around) == 1:
            [(begin, end)] = around
            return begin + nonce + end
        return "".join([begin + nonce + end for begin, end in around])

    def verify(
        self,
        request: Request,
        credentials: DigestCredentials,
        ha1: Mapping[str, str] | Callable[[str], str | None],
        *,
        at: datetime,
    ) -> Verdict:
        """Judge credentials; accepting them uses their nonce and count up.

        Args:
            request: what they came with.
            credentials: from `find_credentials`.
            ha1: the user's H(user:realm:password) by algorithm, as hexadecimal digits; nothing for no such
                user.
            at: aware time.

        Returns:
            `ACCEPTED`, or why not. The password is judged before the nonce, so that only who knows it can
            use a nonce up, and only they are told `stale`.

        Source: RFC 7616 §3.4, RFC 3261 §22.4.
        """
        algorithm = credentials.algorithm
        qop = credentials.qop
        if algorithm not in self._algorithms or (qop is not None and qop != "auth"):
            return Verdict.MALFORMED
        if (
            self._check_uri
            and credentials.uri != request.uri
            and not _same_resource(credentials.uri, request)
        ):
            return Verdict.WRONG_URI
        secret = ha1(algorithm) if callable(ha1) else ha1.get(algorithm)
        # an unknown user costs as much time as a wrong password
        expected = credentials.expected_response(secret or _NOBODY, method=request.method)
        given = credentials.response
        right = given.isascii() and compare_digest(expected, given)
        if not secret:
            return Verdict.NO_USER
        if not right:
            return Verdict.BAD_PASSWORD
        count = credentials.nc if qop is not None else None
        verdict = self._nonces.check(credentials.nonce, count, at.timestamp())
        return _ACCEPTED if verdict is _GOOD else _OF_NONCE[verdict]


def _same_resource(text: str, request: Request) -> bool:
    """Compare the URI of credentials with the Request-URI as far as real phones let it be compared.

    Same scheme family, user and host, and the same port where both name one. Ignored, because phones or the
    proxies before us leave them out or change them: URI parameters, headers, password, sip or sips,
    escapes, the case of the host, a port on one side only; and for REGISTER the user, which a registrar's
    URI does not have.
    """
    try:
        theirs, ours = parse_uri(text), request.parsed_uri
    except RemoteProtocolError:
        return False
    if isinstance(theirs, Uri) and isinstance(ours, Uri):
        return (
            same_host(theirs.host, ours.host)
            and (theirs.port == ours.port or theirs.port is None or ours.port is None)
            and (request.method == "REGISTER" or unescape(theirs.user or "") == unescape(ours.user or ""))
        )
    if isinstance(theirs, TelUri) and isinstance(ours, TelUri):
        return theirs.digits == ours.digits
    return theirs == ours
