"""Keys: what makes a message belong to a transaction.

Here: the keys of RFC 3261 and, for peers without its branch cookie, of RFC 2543. Not here: the tables of
transactions that are looked up with them.
"""

from __future__ import annotations

import re

from trunkline.sip_parser import MAGIC_COOKIE, Headers, RemoteProtocolError, Request, Response

from ._top_via import TopVia

ClientKey = tuple[str, str]
"""Branch and method (CSeq's). Source: RFC 3261 §17.1.3"""

ServerKey = tuple[str | int | None, ...]
"""Branch, sent-by, method and Call-ID, or everything RFC 2543 compares. Source: RFC 3261 §17.2.3"""


def own_branch(headers: Headers) -> str:
    """Read the branch of a top Via that we wrote, without parsing the rest of it; "" when it is not plain.

    Only to look for what is known: another's Via may spell the same in other ways.
    """
    return (headers.top_value("via") or "").partition(";branch=")[2].partition(";")[0]


def client_key(response: Response) -> ClientKey:
    """Make the key under which a response's client transaction is known.

    Raises: RemoteProtocolError when its Via or CSeq cannot be read.
    Source: RFC 3261 §17.1.3
    """
    return response.top_via.branch or "", response.cseq.method


_quoted_request = re.compile(
    rb"([A-Za-z0-9\-.!%*_+`'~]+) [^ \r\n]+ SIP/2\.0\r\n"
    rb"(?:[^\r\n]+\r\n)*?Via: [^\r\n]*?;branch=([^;,\s]+)[;,\r]"
).match


def quoted_key(data: bytes) -> ClientKey | None:
    """Read the key of a request that we sent from its beginning, as an ICMP error quotes it.

    Returns: None for a response, and when too little of the request is there.
    """
    match = _quoted_request(data)
    return None if match is None else (match[2].decode("latin-1"), match[1].decode("latin-1"))


def server_key(request: Request, via: TopVia, method: str) -> ServerKey:
    """Make the key under which a request's server transaction is known.

    Args: `via` is the top Via as received; `method` the method to look for, which for an ACK or a CANCEL
    is INVITE.
    Raises: RemoteProtocolError when an old request has a From, To or CSeq that cannot be read.
    Source: RFC 3261 §17.2.3, §9.2
    """
    branch = via.branch
    # A cookie alone tells no transactions apart. Source: RFC 4475 §3.2.1
    if branch is not None and len(branch) > 7 and (branch.startswith(MAGIC_COOKIE) or _is_cookie(branch)):
        try:
            call_id: str | None = request.call_id
        except RemoteProtocolError:  # that is for others to find
            call_id = request.headers.get("call-id")
        # The Call-ID is the same in all that belongs together; it is here for agents that repeat a branch.
        sender = via.sender
        return branch, sender.name, sender.port, method, call_id
    return old_server_key(request, method, request.to_tag)


def old_server_key(request: Request, method: str, to_tag: str | None) -> ServerKey:
    """Make the key for a request that came without the branch cookie, before its Via is marked.

    An ACK is found by method "ACK" and the To tag of the response it acknowledges.
    Source: RFC 3261 §17.2.3 (the rules of RFC 2543)
    """
    cseq = request.cseq.number
    return str(request.top_via), method, request.uri, request.call_id, cseq, request.from_tag, to_tag


def is_old(key: ServerKey) -> bool:
    """Tell whether a key was made by the rules of RFC 2543."""
    return len(key) != 5


def _is_cookie(branch: str) -> bool:
    return branch[:7].lower() == MAGIC_COOKIE.lower()
