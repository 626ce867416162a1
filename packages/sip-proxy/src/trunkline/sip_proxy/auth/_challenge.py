"""Challenges and credentials as header values: writing the one, finding and removing the other.

Here: the four headers of digest authentication. Not here: whether credentials are right (`_verify.py`).
"""

from functools import lru_cache
from typing import Final

from trunkline.sip_parser import DigestCredentials, LocalProtocolError, RemoteProtocolError, Request, quote

__all__ = ["around_nonce", "consume_credentials", "find_credentials", "lines_around_nonce"]

_HEADERS: Final = {False: "authorization", True: "proxy-authorization"}


@lru_cache(maxsize=256)
def around_nonce(
    realm: str, algorithms: tuple[str, ...], qop: bool, stale: bool
) -> tuple[tuple[str, str], ...]:
    """Write the values of WWW-Authenticate or Proxy-Authenticate but for the nonce, which alone is new.

    Returns:
        What comes before the nonce and what after it, for each algorithm.

    Source: RFC 7616 §3.3, RFC 3261 §22.4.
    """
    begin = f'Digest realm={quote(realm)}, nonce="'
    end = (', qop="auth"' if qop else "") + (", stale=true" if stale else "")
    return tuple([(begin, f'", algorithm={algorithm}{end}') for algorithm in algorithms])


@lru_cache(maxsize=256)
def lines_around_nonce(
    name: str, realm: str, algorithms: tuple[str, ...], qop: bool, stale: bool
) -> tuple[tuple[str, str], ...]:
    """Write the header lines of that name, each with its CR LF, in the same way.

    Raises:
        LocalProtocolError: the realm holds a line break or NUL.
    """
    if "\r" in realm or "\n" in realm or "\0" in realm:
        raise LocalProtocolError(f"{name}: expected a realm on one line, got {realm!r}")
    around = around_nonce(realm, algorithms, qop, stale)
    return tuple([(f"{name}: {begin}", f"{end}\r\n") for begin, end in around])


def find_credentials(request: Request, realm: str, *, proxy: bool) -> DigestCredentials | None:
    """Find the digest credentials a request carries for a realm.

    Args:
        request: any request.
        realm: compared exactly.
        proxy: look in Proxy-Authorization instead of Authorization.

    Returns:
        The first for that realm; None when there is none, and for what cannot be read: both are answered
        with a challenge.

    Source: RFC 3261 §22.2, §22.3.
    """
    name = _HEADERS[proxy]
    first = request.headers.get(name)
    if first is None:
        return None
    # those of a REGISTER are read once, so that nothing is gained by remembering them
    read = _parse if proxy else _parse.__wrapped__
    credentials = read(first)
    if credentials is not None and credentials.realm == realm:
        return credentials
    for value in request.headers.get_all(name)[1:]:
        credentials = read(value)
        if credentials is not None and credentials.realm == realm:
            return credentials
    return None


def consume_credentials(request: Request, realm: str, *, proxy: bool) -> int:
    """Remove the credentials for a realm before the request goes on; those for others stay for others.

    Args:
        request: changed in place.
        realm: compared exactly.
        proxy: remove from Proxy-Authorization instead of Authorization.

    Returns:
        How many header fields were removed.

    Source: RFC 3261 §22.3.
    """
    name = _HEADERS[proxy]
    headers = request.headers
    if name not in headers:
        return 0
    values = headers.get_all(name)
    kept = []
    for value in values:
        credentials = _parse(value)
        if credentials is None or credentials.realm != realm:
            kept.append(value)
    if len(kept) != len(values):
        headers.remove(name)
        headers.extend(name, kept)
    return len(values) - len(kept)


@lru_cache(maxsize=64)
def _parse(value: str) -> DigestCredentials | None:
    # remembered, because one request's credentials are looked for, judged and removed one after the other
    try:
        return DigestCredentials.parse(value)
    except RemoteProtocolError:
        return None
