"""SIP messages, headers, URIs, digest and stream framing: the public face. See the README."""

from ._address import NameAddr
from ._comparison import equivalent_values
from ._digest import DIGEST_ALGORITHMS, DigestChallenge, DigestCredentials, digest_response, ha1
from ._errors import LocalProtocolError, RemoteProtocolError, SipError
from ._fields import ParamValue, RetryAfter, WarningValue, format_date, parse_date
from ._grammar import quote, unescape, unquote
from ._headers import Headers
from ._hop import forwarded_bytes, forwarded_copy, read_within_dialog
from ._messages import Message, Request, Response
from ._names import KNOWN_METHODS
from ._reader import KeepAlive, StreamReader, parse_datagram
from ._received import mark_received
from ._responses import make_response, response_bytes
from ._status import reason_phrase
from ._uri import OtherUri, TelUri, Uri, parse_uri
from ._validation import check_message
from ._via import MAGIC_COOKIE, CSeq, Via

__all__ = [
    "DIGEST_ALGORITHMS",
    "KNOWN_METHODS",
    "MAGIC_COOKIE",
    "CSeq",
    "DigestChallenge",
    "DigestCredentials",
    "Headers",
    "KeepAlive",
    "LocalProtocolError",
    "Message",
    "NameAddr",
    "OtherUri",
    "ParamValue",
    "RemoteProtocolError",
    "Request",
    "Response",
    "RetryAfter",
    "SipError",
    "StreamReader",
    "TelUri",
    "Uri",
    "Via",
    "WarningValue",
    "check_message",
    "digest_response",
    "equivalent_values",
    "format_date",
    "forwarded_bytes",
    "forwarded_copy",
    "ha1",
    "make_response",
    "mark_received",
    "parse_datagram",
    "parse_date",
    "parse_uri",
    "quote",
    "read_within_dialog",
    "reason_phrase",
    "response_bytes",
    "unescape",
    "unquote",
]
