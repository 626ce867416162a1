"""Header names: the spelling used inside, the spelling written, compact forms, which are no lists; methods.

Source: RFC 3261 §7.3.3, §20; the IANA registry of SIP header fields for the later compact forms
"""

from __future__ import annotations

import sys
from typing import Final

from ._errors import LocalProtocolError, RemoteProtocolError, shown
from ._grammar import is_token

COMPACT_FORMS: Final[dict[str, str]] = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

_WRITTEN: Final = (
    "Accept Accept-Contact Accept-Encoding Accept-Language Accept-Resource-Priority Alert-Info Allow "
    "Allow-Events Answer-Mode Authentication-Info Authorization Call-ID Call-Info Contact "
    "Content-Disposition Content-Encoding Content-Language Content-Length Content-Type CSeq Date Diversion "
    "Error-Info Event Expires Feature-Caps Flow-Timer From Geolocation Geolocation-Error "
    "Geolocation-Routing History-Info Identity Identity-Info In-Reply-To Info-Package Join Max-Breadth "
    "Max-Forwards MIME-Version Min-Expires Min-SE Organization P-Access-Network-Info P-Asserted-Identity "
    "P-Asserted-Service P-Associated-URI P-Called-Party-ID P-Charging-Function-Addresses P-Charging-Vector "
    "P-Early-Media P-Media-Authorization P-Preferred-Identity P-Preferred-Service P-Served-User "
    "P-Visited-Network-ID Path Priority Priv-Answer-Mode Privacy Proxy-Authenticate "
    "Proxy-Authentication-Info Proxy-Authorization Proxy-Require RAck Reason Record-Route "
    "Recv-Info Refer-Sub Refer-To Referred-By Reject-Contact Remote-Party-ID Replaces Reply-To "
    "Request-Disposition Require Resource-Priority Retry-After Route RSeq Security-Client Security-Server "
    "Security-Verify Server Service-Route Session-Expires Session-ID SIP-ETag SIP-If-Match Subject "
    "Subscription-State Supported Suppress-If-Match Target-Dialog Timestamp To Unsupported User-Agent "
    "User-to-User Via Warning WWW-Authenticate"
)

WRITTEN_NAMES: Final[dict[str, str]] = {name.lower(): name for name in _WRITTEN.split()}
"""How a header is spelled when we write it."""

_SINGLE: Final = (
    "answer-mode call-id content-disposition content-length content-type cseq date event expires "
    "flow-timer from geolocation-error geolocation-routing identity-info info-package join max-breadth "
    "max-forwards mime-version min-expires min-se organization p-called-party-id p-charging-vector "
    "p-served-user priority priv-answer-mode privacy rack refer-sub refer-to referred-by replaces "
    "reply-to retry-after rseq server session-expires session-id sip-etag sip-if-match subject "
    "subscription-state suppress-if-match target-dialog timestamp to user-agent"
)
SINGLE: Final = frozenset(_SINGLE.split())
"""Headers that come once and hold one value."""

_ONE_A_LINE: Final = (
    "authentication-info authorization identity proxy-authenticate proxy-authentication-info "
    "proxy-authorization www-authenticate"
)
ONE_A_LINE: Final = frozenset(_ONE_A_LINE.split())
"""Headers that may come again, but whose commas separate the parts of one value. Source: RFC 3261 §7.3.1"""

NOT_LISTS: Final = SINGLE | ONE_A_LINE
"""Headers in which a comma separates no values; unknown ones are taken for lists, which they mostly are."""

_KNOWN_METHODS: Final = (
    "ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE UPDATE"
)
KNOWN_METHODS: Final = frozenset(_KNOWN_METHODS.split())
"""The registered methods."""

_REMEMBERED: Final = 4096


CANONICAL: Final[dict[str, str]] = {}
"""Each spelling of a name seen so far to its lower-case long form; on a miss, ask `learn_name`."""

for _name in _WRITTEN.split():
    for _spelled in (_name, _name.lower(), _name.upper(), _name.title()):
        CANONICAL[_spelled] = sys.intern(_name.lower())
for _compact, _name in COMPACT_FORMS.items():
    CANONICAL[_compact] = CANONICAL[_compact.upper()] = sys.intern(_name)


def learn_name(spelled: str) -> str:
    """Give the lower-case long form of a name as a peer spelled it, and remember it for the next time.

    Raises:
        RemoteProtocolError: the text cannot be a header name.

    Source: RFC 3261 §7.3.1, §7.3.3
    """
    known = CANONICAL.get(spelled)
    if known is not None:
        return known
    name = spelled.rstrip(" \t")
    if is_token(name) is None:
        raise RemoteProtocolError(
            f"expected a header name and a colon, got {shown(spelled)}", section="RFC 3261 §7.3.1"
        )
    name = name.lower()
    name = COMPACT_FORMS.get(name, name)
    if len(CANONICAL) < _REMEMBERED and len(spelled) <= 64:
        CANONICAL[spelled] = name = sys.intern(name)
    return name


def canonical_name(name: str) -> str:
    """Give a header's lower-case long name, whatever the case or compact form it is asked by.

    Raises:
        LocalProtocolError: the text cannot be a header name.

    Source: RFC 3261 §7.3.3
    """
    try:
        return learn_name(name)
    except RemoteProtocolError as error:
        raise LocalProtocolError(error.reason) from None
