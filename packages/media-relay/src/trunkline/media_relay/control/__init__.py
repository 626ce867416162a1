"""Control protocols: how a proxy on another machine drives the relay."""

from ._bencode import Bencoded, bdecode, bencode
from ._ng_message import NgMessage, ng_reply, ng_request, parse_ng
from ._ng_server import TIMEOUT_NOTICE, NgController, NgServer

__all__ = [
    "TIMEOUT_NOTICE",
    "Bencoded",
    "NgController",
    "NgMessage",
    "NgServer",
    "bdecode",
    "bencode",
    "ng_reply",
    "ng_request",
    "parse_ng",
]
