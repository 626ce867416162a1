"""Keys: what makes a message belong to a transaction.

Here: the keys of RFC 3261 and, for peers without its branch cookie, of RFC 2543. Not here: the tables of
transactions that are looked up with them.
"""

from __future__ import annotations

import re

from trunkline.sip_parser import MAGIC_COOKIE, Headers, RemoteProtocolError, Request, Response

ClientKey = tuple[str, str]
"""Branch and method (CSeq's). Source: RFC 3261 §17.1.3"""

ServerKey = str
"""Branch, sent-by, Call-ID and method; or, with a line break before it, everything RFC 2543 compares. They
are parted by line breaks, which none of them holds. One text is hashed once, and keeps nothing else alive.
Source: RFC 3261 §17.2.3"""

_COOKIE = MAGIC_COOKIE.lower()


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


def server_stem(request: Request) -> str:
    """Make what the keys of a request's transaction begin with, before its Via is marked.

    A method makes it a key: its own, or INVITE for the one that an ACK or a CANCEL belongs to. Where the Via
    is a plain one, `mark_received` gives the same.

    Raises: RemoteProtocolError when its Via cannot be read, or an old request has a From, To or CSeq that
    cannot.
    Source: RFC 3261 §17.2.3, §9.2
    """
    via = request.top_via
    branch = via.branch
    # A cookie alone tells no transactions apart. Source: RFC 4475 §3.2.1
    if branch is not None and len(branch) > 7 and branch[:7].lower() == _COOKIE:
        try:
            call_id: str | None = request.call_id
        except RemoteProtocolError:  # that is for others to find
            call_id = request.headers.get("call-id")
        # The Call-ID is the same in all that belongs together; it is here for agents that repeat a branch.
        sent_by = f"{via.host.lower()}:{'' if via.port is None else via.port}"
        return f"branch={branch}\n{sent_by}\n{call_id or ''}\n"
    dialog = f"{request.call_id}\n{request.cseq.number}\n{request.from_tag or ''}\n{request.to_tag or ''}"
    return f"\n{via}\n{request.uri}\n{dialog}\n"


def is_old(key: ServerKey) -> bool:
    """Tell whether a key, or the stem of one, was made by the rules of RFC 2543."""
    return key[0] == "\n"


def old_ack_key(key: ServerKey, to_tag: str | None) -> ServerKey:
    """Make the key under which the ACK for a response to an old INVITE comes: with the To tag we answered.

    The INVITE's key holds its Via as it came, before it was marked; the ACK comes with the same.
    """
    compared, _, _ = key.rsplit("\n", 2)
    return f"{compared}\n{to_tag or ''}\nACK"
