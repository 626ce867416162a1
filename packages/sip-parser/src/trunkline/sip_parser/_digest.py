"""Digest authentication: the grammar of challenges and credentials, and the arithmetic.

Which nonce is good, which password is right and when to challenge is the server's (sip_proxy.auth); answering
a challenge is the client's (sip_transaction).

Source: RFC 2617, RFC 7616, RFC 8760, RFC 3261 §22.4
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import attrs

from ._errors import LocalProtocolError, RemoteProtocolError, shown
from ._grammar import TOKEN, quote, unescape, unfold, unquote
from ._memory import REMEMBERED_LENGTH

DIGEST_ALGORITHMS: Final = ("MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess")
"""The algorithms this package computes, as they are spelled."""

_SPELLED: Final = {name.lower(): name for name in DIGEST_ALGORITHMS}
_HASHES: Final[dict[str, Callable[[bytes], Any]]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "sha-256": hashlib.sha256,
    "sha-512-256": lambda data: hashlib.new("sha512_256", data),
}
_SHAPE_LENGTH: Final = 1024
"""Above, credentials are read as they come: a peer cannot make us remember more than this of each."""
_TEXTS: Final = dict.fromkeys(("username", "realm", "nonce", "uri", "response", "cnonce", "opaque"))
"""What credentials say in quotes."""
_WORDS: Final = frozenset(("algorithm", "qop", "nc", "userhash"))
"""What they say without."""
_WITHOUT_SESSION: Final = frozenset(("MD5", "SHA-256", "SHA-512-256"))
# A parameter with its comma, an empty element, or whatever is neither: so the whole text is found in one go.
_find_params = re.compile(
    rf"[ \t]*+({TOKEN})[ \t]*+=[ \t]*+(?:\"([^\"\\]*+)\"|(\"(?:[^\"\\]|\\.)*+\"|[^\s,\"]*+))[ \t]*+(?:,|\Z)"
    r"|[ \t]*+(?:,|([^ \t].*+))",
    re.DOTALL,
).findall
_is_nonce_count = re.compile(r"[0-9A-Fa-f]{1,8}").fullmatch


@attrs.define(slots=True)
class DigestChallenge:
    """What WWW-Authenticate or Proxy-Authenticate asks for."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    """As spelled in `DIGEST_ALGORITHMS`, or an unknown one as it came; MD5 when none is named."""
    qop: tuple[str, ...] = ()
    """The qualities offered, lower case; empty for RFC 2069 clients."""
    opaque: str | None = None
    stale: bool = False
    domain: str | None = None
    userhash: bool = False

    @classmethod
    def parse(cls, value: str) -> DigestChallenge:
        """Read a challenge.

        Raises:
            RemoteProtocolError: another scheme than Digest, or no realm or nonce.

        Source: RFC 7616 §3.3, RFC 3261 §20.44
        """
        params = _parse(value, "challenge", ("realm", "nonce"))
        return cls(
            params["realm"],
            params["nonce"],
            _spelled(params.get("algorithm")),
            tuple(part.strip().lower() for part in params.get("qop", "").split(",") if part.strip()),
            params.get("opaque"),
            params.get("stale", "").lower() == "true",
            params.get("domain"),
            params.get("userhash", "").lower() == "true",
        )

    def __str__(self) -> str:
        parts = [f"realm={quote(self.realm)}", f"nonce={quote(self.nonce)}"]
        if self.domain is not None:
            parts.append(f"domain={quote(self.domain)}")
        if self.opaque is not None:
            parts.append(f"opaque={quote(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        parts.append(f"algorithm={self.algorithm}")
        if self.qop:
            parts.append(f"qop={quote(','.join(self.qop))}")
        if self.userhash:
            parts.append("userhash=true")
        return "Digest " + ", ".join(parts)


@attrs.define(slots=True)
class DigestCredentials:
    """What Authorization or Proxy-Authorization answers."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    """Lower-case hexadecimal digits."""
    algorithm: str = "MD5"
    """As spelled in `DIGEST_ALGORITHMS`, or an unknown one as it came; MD5 when none is named."""
    cnonce: str | None = None
    opaque: str | None = None
    qop: str | None = None
    """Lower case; None for RFC 2069 clients."""
    nc: int | None = None
    """The nonce count, below 2**32."""
    userhash: bool = False
    nc_text: str | None = None
    """The nonce count as spelled, which is what was hashed; None means eight lower-case digits."""

    @classmethod
    def parse(cls, value: str) -> DigestCredentials:
        """Read credentials.

        Raises:
            RemoteProtocolError: another scheme than Digest, a missing part, a nonce count that is no number,
                or a qop without nonce count and cnonce.

        Source: RFC 7616 §3.4, RFC 3261 §20.7
        """
        return _credentials_by_shape(value) or cls._read(value)

    @classmethod
    def _read(cls, value: str) -> DigestCredentials:
        needed = ("realm", "nonce", "uri", "response")
        params = _parse(value, "credentials", needed)
        username = params.get("username")
        if username is None:
            charset, _, rest = params.get("username*", "").partition("'")
            if charset.lower() != "utf-8":
                raise RemoteProtocolError(
                    "credentials: expected a username, got none", section="RFC 7616 §3.4"
                )
            username = unescape(rest.partition("'")[2])
        count = params.get("nc")
        qop = params.get("qop")
        if count is not None and _is_nonce_count(count) is None:
            raise RemoteProtocolError(
                f"credentials: expected nc of eight hexadecimal digits, got {shown(count)}",
                section="RFC 7616 §3.4",
            )
        if qop and (count is None or "cnonce" not in params):
            raise RemoteProtocolError(
                "credentials: expected nc and cnonce beside qop", section="RFC 7616 §3.4"
            )
        return cls(
            username,
            params["realm"],
            params["nonce"],
            params["uri"],
            params["response"].lower(),
            _spelled(params.get("algorithm")),
            params.get("cnonce"),
            params.get("opaque"),
            qop.lower() if qop else None,
            None if count is None else int(count, 16),
            params.get("userhash", "").lower() == "true",
            count,
        )

    def expected_response(self, ha1: str, *, method: str, body: bytes = b"") -> str:
        """Compute the response these credentials should carry, to be compared in constant time.

        Args:
            ha1: of the user, from `ha1`, for this algorithm.
            method: of the request.
            body: of the request, for qop auth-int.

        Raises:
            LocalProtocolError: the algorithm or qop is unknown: look at them first.

        Source: RFC 7616 §3.4.1
        """
        uri, count, cnonce = self.uri, self.nc_text, self.cnonce
        if (
            self.algorithm == "MD5"
            and self.qop == "auth"
            and count is not None
            and cnonce is not None
            and len(method) + len(uri) < REMEMBERED_LENGTH
        ):
            # as `digest_response`, for what nearly all phones say
            ha2 = _remembered_ha2("MD5", f"{method}:{uri}")
            data = f"{ha1}:{self.nonce}:{count}:{cnonce}:auth:{ha2}".encode("utf-8", "surrogateescape")
            return hashlib.md5(data, usedforsecurity=False).hexdigest()
        return digest_response(
            ha1,
            method=method,
            uri=self.uri,
            nonce=self.nonce,
            nc=self.nc if self.nc_text is None else self.nc_text,
            cnonce=self.cnonce,
            qop=self.qop,
            algorithm=self.algorithm,
            body=body,
        )

    def __str__(self) -> str:
        parts = [
            f"username={quote(self.username)}",
            f"realm={quote(self.realm)}",
            f"nonce={quote(self.nonce)}",
            f"uri={quote(self.uri)}",
            f"response={quote(self.response)}",
            f"algorithm={self.algorithm}",
        ]
        if self.cnonce is not None:
            parts.append(f"cnonce={quote(self.cnonce)}")
        if self.opaque is not None:
            parts.append(f"opaque={quote(self.opaque)}")
        if self.qop is not None:
            parts.append(f"qop={self.qop}")
        if self.nc is not None:
            parts.append(f"nc={self.nc_text or format(self.nc, '08x')}")
        if self.userhash:
            parts.append("userhash=true")
        return "Digest " + ", ".join(parts)


def ha1(user: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """Hash what a server may store instead of a password.

    The nonces of a -sess algorithm are not in it: `digest_response` adds them.

    Args:
        user: without the realm; `user@domain` gives what is stored as HA1B.
        algorithm: one of `DIGEST_ALGORITHMS`.

    Returns:
        Lower-case hexadecimal digits.

    Source: RFC 7616 §3.4.2
    """
    return _hash(algorithm, f"{user}:{realm}:{password}".encode("utf-8", "surrogateescape"))


def digest_response(
    ha1: str,
    *,
    method: str,
    uri: str,
    nonce: str,
    nc: int | str | None = None,
    cnonce: str | None = None,
    qop: str | None = None,
    algorithm: str = "MD5",
    body: bytes = b"",
) -> str:
    """Compute the `response` of credentials.

    Args:
        ha1: from `ha1`, for the same algorithm.
        nc: the nonce count, or its text as the peer spelled it; needed with qop.
        cnonce: needed with qop, and with a -sess algorithm.
        qop: None, `auth` or `auth-int`.
        algorithm: one of `DIGEST_ALGORITHMS`.
        body: what auth-int covers.

    Returns:
        Lower-case hexadecimal digits.

    Raises:
        LocalProtocolError: an unknown algorithm or qop, or a nonce that is needed and missing.

    Source: RFC 7616 §3.4.1
    """
    if algorithm not in _WITHOUT_SESSION and algorithm.lower().endswith("-sess"):
        if cnonce is None:
            raise LocalProtocolError(f"algorithm {algorithm} needs a cnonce")
        ha1 = _hash(algorithm, _utf8(f"{ha1}:{nonce}:{cnonce}"))
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 = f"{a2}:{_hash(algorithm, body)}"
    elif qop not in (None, "auth"):
        raise LocalProtocolError(f"expected qop auth or auth-int, got {qop!r}")
    ha2 = _remembered_ha2(algorithm, a2) if len(a2) <= REMEMBERED_LENGTH else _hash(algorithm, _utf8(a2))
    if qop is None:
        return _hash(algorithm, _utf8(f"{ha1}:{nonce}:{ha2}"))
    if nc is None or cnonce is None:
        raise LocalProtocolError(f"qop {qop} needs nc and cnonce")
    count = nc if isinstance(nc, str) else format(nc, "08x")
    return _hash(algorithm, _utf8(f"{ha1}:{nonce}:{count}:{cnonce}:{qop}:{ha2}"))


@lru_cache(256)
def _remembered_ha2(algorithm: str, a2: str) -> str:
    # all phones of a domain register with the same method and Request-URI
    return _hash(algorithm, _utf8(a2))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _hash(algorithm: str, data: bytes) -> str:
    function = _HASHES.get(algorithm) or _HASHES.get(algorithm.lower().removesuffix("-sess"))
    if function is None:
        raise LocalProtocolError(f"expected one of {', '.join(DIGEST_ALGORITHMS)}, got {algorithm!r}")
    digest: str = function(data).hexdigest()
    return digest


def _spelled(algorithm: str | None) -> str:
    return "MD5" if not algorithm else _SPELLED.get(algorithm.lower(), algorithm)


def _parse(value: str, what: str, needed: tuple[str, ...]) -> dict[str, str]:
    params = _by_shape(value) or _params_of(value, what)
    for name in needed:
        if name not in params:
            raise RemoteProtocolError(f"{what}: expected {name}, got none", section="RFC 7616 §3.4")
    return params


def _by_shape(value: str) -> dict[str, str] | None:
    """Read parameters whose names, order and spelling are those of others before: a phone keeps to its own.

    Only what stands in quotes is new then. Gives None for what has to be read letter by letter.
    """
    if len(value) > _SHAPE_LENGTH or "\\" in value or "\n" in value or "\t" in value:
        return None
    pieces = value.split('"')
    shape = _shape(tuple(pieces[::2])) if len(pieces) % 2 else None
    if shape is None:
        return None
    names, plain = shape
    params = plain.copy()
    params.update(zip(names, pieces[1::2], strict=True))
    return params


@lru_cache(256)
def _shape(between: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]] | None:
    """Read what stands outside of quotes: the names of the quoted values in order, and the other parameters.

    Gives None when it is not well-formed.
    """
    if any("\0" in text for text in between):
        return None
    places = [f"\0{number}" for number in range(len(between) - 1)]
    text = between[0] + "".join([f'"{place}"{rest}' for place, rest in zip(places, between[1:], strict=True)])
    try:
        params = _params_of(text, "")
    except RemoteProtocolError:
        return None
    quoted = {place: name for name, place in params.items() if place[:1] == "\0"}
    if list(quoted) != places:
        return None
    return tuple(quoted.values()), {name: text for name, text in params.items() if text not in quoted}


def _credentials_by_shape(value: str) -> DigestCredentials | None:
    """Read credentials as nearly all phones write them, whose shape tells already which piece is what.

    Gives None for what has to be read parameter by parameter.
    """
    if len(value) > _SHAPE_LENGTH or "\\" in value or "\n" in value or "\t" in value:
        return None
    pieces: list[str | None] = value.split('"')  # type: ignore[assignment]  # None is added
    order = _order(tuple(pieces[::2])) if len(pieces) % 2 else None
    if order is None:
        return None
    of_pieces, algorithm, qop, count, userhash, count_text = order
    pieces.append(None)
    username, realm, nonce, uri, response, cnonce, opaque = of_pieces(pieces)
    return DigestCredentials(
        username,
        realm,
        nonce,
        uri,
        response.lower(),
        algorithm,
        cnonce,
        opaque,
        qop,
        count,
        userhash,
        count_text,
    )


@lru_cache(256)
def _order(
    between: tuple[str, ...],
) -> tuple[Callable[[Any], tuple[Any, ...]], str, str | None, int | None, bool, str | None] | None:
    """Read what stands outside of the quotes of credentials: where each text is, and what they say besides.

    Gives None when a text stands without quotes, or anything else within them.
    """
    shape = _shape(between)
    if shape is None:
        return None
    names, plain = shape
    if not plain.keys().isdisjoint(_TEXTS) or not _WORDS.isdisjoint(names):
        return None
    if any(name not in names for name in ("username", "realm", "nonce", "uri", "response")):
        return None
    count, qop = plain.get("nc"), plain.get("qop")
    if (count is not None and _is_nonce_count(count) is None) or (
        qop and (count is None or "cnonce" not in names)
    ):
        return None
    places = [2 * names.index(name) + 1 if name in names else -1 for name in _TEXTS]
    return (
        itemgetter(*places),
        _spelled(plain.get("algorithm")),
        qop.lower() if qop else None,
        None if count is None else int(count, 16),
        plain.get("userhash", "").lower() == "true",
        count,
    )


def _params_of(value: str, what: str) -> dict[str, str]:
    text = (unfold(value) if "\n" in value else value).strip(" \t")
    scheme, _, rest = text.replace("\t", " ").partition(" ")
    if scheme.lower() != "digest":
        raise RemoteProtocolError(
            f"{what}: expected the scheme Digest, got {shown(scheme)}", section="RFC 3261 §22.4"
        )
    params: dict[str, str] = {}
    for name, plain, other, wrong in _find_params(rest):
        if wrong:
            raise RemoteProtocolError(
                f"{what}: expected name=value and a comma, got {shown(wrong)}",
                section="RFC 7616 §3.4",
                offset=len(text) - len(wrong),
            )
        lower = name.lower()
        if lower in params:
            raise RemoteProtocolError(f"{what}: expected {lower} once, got it twice", section="RFC 7616 §3.4")
        if lower:
            params[lower] = plain or unquote(other)
    return params
