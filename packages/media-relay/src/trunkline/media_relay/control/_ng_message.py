"""NG messages on the wire: a cookie, a space, and a dictionary in bencode or JSON.

What belongs here is both sides' framing. What the commands mean is `_ng_server`; how their options are read
is `_ng_options`.
"""

import json
from typing import Any, TypeAlias

import attrs

from trunkline.media_relay._errors import RemoteProtocolError

from ._bencode import Bencoded, bdecode, bencode

NgValue: TypeAlias = Any
"""int, str, bytes (only under "sdp"), list or dict of these."""

SDP_KEY = "sdp"


@attrs.define(eq=False)
class NgMessage:
    """One message, request or reply."""

    cookie: bytes
    """Tells a retransmission from a new request; the reply repeats it."""
    fields: dict[str, NgValue]
    """Keys as spelled; text is decoded, a description stays bytes."""
    is_json: bool = False

    def to_bytes(self) -> bytes:
        """Give the message as a datagram."""
        if self.is_json:
            return self.cookie + b" " + json.dumps(_to_json(self.fields)).encode("ascii")
        return self.cookie + b" " + bencode(self.fields)


def parse_ng(data: bytes) -> NgMessage:
    """Read a datagram of the NG protocol.

    Raises: RemoteProtocolError; its `offset` is 0 when there is not even a cookie to reply to.
    """
    cookie, space, body = data.partition(b" ")
    if not space or not cookie or len(cookie) > 255:
        raise RemoteProtocolError("expected 'cookie dictionary'", 400, "NG", 0)
    if body[:1] == b"{":
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError) as error:
            reason = f"expected a JSON object: {error}"
            raise RemoteProtocolError(reason, 400, "NG", len(cookie) + 1) from None
        return NgMessage(cookie, _from_json("", fields), True)
    try:
        decoded = bdecode(body.rstrip(b"\r\n") if body[-1:] == b"\n" else body)
    except RemoteProtocolError as error:
        offset = (error.offset or 0) + len(cookie) + 1
        raise RemoteProtocolError(error.reason, 400, "NG", offset) from None
    if not isinstance(decoded, dict):
        raise RemoteProtocolError("expected a dictionary", 400, "NG", len(cookie) + 1)
    return NgMessage(cookie, {key: _text(key, value) for key, value in decoded.items()})


def ng_request(cookie: str | bytes, command: str, **fields: NgValue) -> bytes:
    """Write a request.

    Args:
        cookie: without spaces; new for each request, the same for its retransmissions.
        command: "offer", "answer", "delete", "query", "list", "ping" …
        fields: the other keys, with underscores for hyphens (`call_id`, `from_tag`, `received_from`); None is
            left out.
    Returns: the datagram, bencoded.
    """
    named = {name.replace("_", "-"): value for name, value in fields.items() if value is not None}
    if isinstance(cookie, str):
        cookie = cookie.encode()
    return NgMessage(cookie, {"command": command, **named}).to_bytes()


def ng_reply(data: bytes) -> tuple[str, dict[str, NgValue]]:
    """Read a reply, or a notice of the relay.

    Returns: the cookie and the dictionary; `sdp` is bytes, other strings are text.
    Raises: RemoteProtocolError
    """
    message = parse_ng(data)
    return message.cookie.decode("ascii", "surrogateescape"), message.fields


def _text(key: str, value: Bencoded) -> NgValue:
    if isinstance(value, bytes):
        return value if key == SDP_KEY else value.decode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_text("", item) for item in value]
    if isinstance(value, dict):
        return {name: _text(name, item) for name, item in value.items()}
    return value


def _from_json(key: str, value: NgValue) -> NgValue:
    """Half a surrogate pair is no text, and could not be sent on in bencode."""
    if isinstance(value, str):
        octets = value.encode("utf-8", "replace")
        return octets if key == SDP_KEY else octets.decode()
    if isinstance(value, list):
        return [_from_json("", item) for item in value]
    if isinstance(value, dict):
        return {_from_json("", name): _from_json(name, item) for name, item in value.items()}
    return value


def _to_json(value: NgValue) -> NgValue:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    return value
