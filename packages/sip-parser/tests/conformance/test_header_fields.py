"""Which headers hold one value and which a list, their compact forms and typed attributes, RFC by RFC.

The table is written from the RFCs, not from the code. `one`: comes once, holds one value. `line`: may come
again, but its commas separate the parts of one value. `list`: `a, b` is the same as two lines.

Source: RFC 3261 §7.3.1, §20, §25.1 and the RFCs named; compact forms from the IANA registry
"""

import pytest

from trunkline.sip_parser import RemoteProtocolError, Request, check_message, parse_datagram

TABLE = """
3261 Accept                    list -  accept
3261 Accept-Encoding           list -  -
3261 Accept-Language           list -  -
3261 Alert-Info                list -  alert_info
3261 Allow                     list -  allow
3261 Authentication-Info       line -  -
3261 Authorization             line -  -
3261 Call-ID                   one  i  call_id
3261 Call-Info                 list -  call_info
3261 Contact                   list m  contacts
3261 Content-Disposition       one  -  content_disposition
3261 Content-Encoding          list e  -
3261 Content-Language          list -  -
3261 Content-Length            one  l  content_length
3261 Content-Type              one  c  content_type
3261 CSeq                      one  -  cseq
3261 Date                      one  -  date
3261 Error-Info                list -  -
3261 Expires                   one  -  expires
3261 From                      one  f  from_
3261 In-Reply-To               list -  -
3261 Max-Forwards              one  -  max_forwards
3261 MIME-Version              one  -  -
3261 Min-Expires               one  -  min_expires
3261 Organization              one  -  -
3261 Priority                  one  -  -
3261 Proxy-Authenticate        line -  -
3261 Proxy-Authorization       line -  -
3261 Proxy-Require             list -  proxy_require
3261 Record-Route              list -  record_routes
3261 Reply-To                  one  -  reply_to
3261 Require                   list -  require
3261 Retry-After               one  -  retry_after
3261 Route                     list -  routes
3261 Server                    one  -  -
3261 Subject                   one  s  -
3261 Supported                 list k  supported
3261 Timestamp                 one  -  -
3261 To                        one  t  to
3261 Unsupported               list -  unsupported
3261 User-Agent                one  -  -
3261 Via                       list v  vias
3261 Warning                   list -  warnings
3261 WWW-Authenticate          line -  -
3262 RAck                      one  -  rack
3262 RSeq                      one  -  rseq
3313 P-Media-Authorization     list -  -
3323 Privacy                   one  -  privacy
3325 P-Asserted-Identity       list -  asserted_identities
3325 P-Preferred-Identity      list -  preferred_identities
3326 Reason                    list -  reasons
3327 Path                      list -  paths
3329 Security-Client           list -  -
3329 Security-Server           list -  -
3329 Security-Verify           list -  -
3515 Refer-To                  one  r  refer_to
3608 Service-Route             list -  service_routes
3841 Accept-Contact            list a  -
3841 Reject-Contact            list j  -
3841 Request-Disposition       list d  -
3891 Replaces                  one  -  replaces
3892 Referred-By               one  b  referred_by
3903 SIP-ETag                  one  -  -
3903 SIP-If-Match              one  -  -
3911 Join                      one  -  join
4028 Min-SE                    one  -  min_se
4028 Session-Expires           one  x  session_expires
4412 Accept-Resource-Priority  list -  -
4412 Resource-Priority         list -  -
4474 Identity-Info             one  n  -
4488 Refer-Sub                 one  -  -
4538 Target-Dialog             one  -  target_dialog
5009 P-Early-Media             list -  -
5373 Answer-Mode               one  -  -
5373 Priv-Answer-Mode          one  -  -
5393 Max-Breadth               one  -  max_breadth
5502 P-Served-User             one  -  -
5626 Flow-Timer                one  -  flow_timer
5806 Diversion                 list -  diversions
5839 Suppress-If-Match         one  -  -
6050 P-Asserted-Service        list -  -
6050 P-Preferred-Service       list -  -
6086 Info-Package              one  -  -
6086 Recv-Info                 list -  -
6442 Geolocation               list -  -
6442 Geolocation-Error         one  -  -
6442 Geolocation-Routing       one  -  -
6665 Allow-Events              list u  allow_events
6665 Event                     one  o  event
6665 Subscription-State        one  -  subscription_state
6809 Feature-Caps              list -  -
7044 History-Info              list -  history
7315 P-Access-Network-Info     list -  -
7315 P-Associated-URI          list -  -
7315 P-Called-Party-ID         one  -  -
7315 P-Charging-Vector         one  -  -
7315 P-Visited-Network-ID      list -  -
7433 User-to-User              list -  -
7989 Session-ID                one  -  -
8224 Identity                  line y  -
"""
ROWS = [row.split() for row in TABLE.strip().splitlines()]

GOOD = {
    "accept": 'application/sdp;level="1,2";q=0.5',
    "alert_info": "<http://www.example.com/sounds/a,b;c.wav>;x",
    "allow": "INVITE",
    "call_info": "<http://example.com/alice/photo.jpg>;purpose=icon",
    "call_id": "x@y",
    "content_disposition": "session;handling=optional",
    "content_length": "0",
    "content_type": "text/plain;charset=utf-8",
    "cseq": "7 OPTIONS",
    "date": "Sat, 13 Nov 2010 23:29:00 GMT",
    "expires": "60",
    "event": "presence;id=1",
    "flow_timer": "120",
    "join": "98732@x;to-tag=r1;from-tag=r2",
    "max_breadth": "60",
    "max_forwards": "70",
    "min_expires": "60",
    "min_se": "90;x=y",
    "privacy": "id;critical",
    "rack": "776656 1 INVITE",
    "reasons": 'SIP;cause=200;text="Call, completed elsewhere"',
    "replaces": "98732@x;to-tag=r1;from-tag=r2",
    "retry_after": "120 (I am in a meeting);duration=3600",
    "rseq": "988789",
    "session_expires": "4000;refresher=uac",
    "subscription_state": "active;expires=600",
    "target_dialog": "fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544",
    "vias": "SIP/2.0/UDP a;branch=z9hG4bK1",
    "warnings": "307 isi.edu \"Session parameter 'foo' not understood, and more\"",
}
ADDRESS = '"A, B" <sip:a@example.com;lr>;index=1'
NEEDED = {"Via", "From", "To", "Call-ID", "CSeq"}
TAGS = {"require", "proxy_require", "supported", "unsupported", "allow_events"}
BAD = {
    **dict.fromkeys(("expires", "max_forwards", "min_expires", "min_se", "rseq", "session_expires"), "-1"),
    **dict.fromkeys(("max_breadth", "flow_timer"), "+1"),
    **dict.fromkeys(("alert_info", "call_info", "content_disposition", "join", "target_dialog"), ";x"),
    "warnings": "30 a b",
    "accept": ";q=1",
    "call_id": "a b",
    "content_length": "x",
    "content_type": "text",
    "cseq": "OPTIONS",
    "date": "yesterday",
    "event": ";id=1",
    "rack": "1 INVITE",
    "reasons": "SIP;=",
    "replaces": ";x",
    "retry_after": "soon",
    "subscription_state": "",
    "vias": "SIP/2.0/UDP",
}


def good_value(attribute):
    return GOOD.get(attribute) or ("path" if attribute in TAGS else "x" if attribute == "-" else ADDRESS)


def message(*lines):
    given = {line.partition(":")[0].lower() for line in lines}
    usual = (
        *("Via: SIP/2.0/UDP a;branch=z9hG4bK1", "From: <sip:a@b>;tag=1", "To: <sip:a@b>", "Call-ID: x@y"),
        "CSeq: 7 OPTIONS",
    )
    lines = [*(line for line in usual if line.partition(":")[0].lower() not in given), *lines]
    return parse_datagram("\r\n".join(["OPTIONS sip:a@b SIP/2.0", *lines, "", ""]).encode())


@pytest.mark.parametrize(("rfc", "name", "kind", "compact", "attribute"), ROWS, ids=[row[1] for row in ROWS])
def test_header(rfc, name, kind, compact, attribute):
    assert int(rfc) >= 3261
    request = Request("OPTIONS", "sip:a", [(name, "a, b"), (name, "c")])
    expected = {"list": ["a", "b", "c"], "line": ["a, b", "c"], "one": ["a, b", "c"]}[kind]
    assert request.headers.values(name) == expected
    assert request.headers.values(name.upper()) == expected
    assert name in Request("OPTIONS", "sip:a", [(name.lower(), "x")]).to_bytes().decode()
    if compact != "-":
        assert request.headers.values(compact) == request.headers.values(compact.upper()) == expected
    if attribute != "-":
        value = good_value(attribute)
        read = getattr(message(f"{name}: {value}"), attribute)
        assert read not in (None, [])
        folded = message(f"{name}: {value}").to_bytes()
        spelled = compact if compact != "-" else name.upper()
        folded = folded.replace(f"\r\n{name}: ".encode(), f"\r\n{spelled} :\r\n ".encode())
        assert getattr(parse_datagram(folded), attribute) == read


@pytest.mark.parametrize(("attribute", "name"), [(row[4], row[1]) for row in ROWS if row[4] in BAD])
def test_a_value_that_is_none_is_refused_by_name(attribute, name):
    with pytest.raises(RemoteProtocolError, match=name):
        getattr(message(f"{name}: {BAD[attribute]}"), attribute)


@pytest.mark.parametrize(
    ("attribute", "kind"), [(row[4], row[2]) for row in ROWS if row[4] != "-" and row[1] not in NEEDED]
)
def test_absent_is_none_or_nothing(attribute, kind):
    absent = getattr(message(), attribute)
    assert absent == [] if kind == "list" or attribute == "privacy" else absent is None


@pytest.mark.parametrize(
    "line",
    ["Event: a", "Refer-To: <sip:a>", "Session-Expires: 90", "Replaces: a", "Min-SE: 90", "RAck: 1 1 INVITE"],
)
def test_what_a_dialog_turns_on_comes_once(line):
    check_message(message(line))
    with pytest.raises(RemoteProtocolError, match="expected one"):
        check_message(message(line, line))


def test_no_typed_attribute_is_missing_from_the_table():
    typed = {
        name
        for base in Request.__mro__[1:]
        for name, member in vars(base).items()
        if isinstance(member, property)
    }
    derived = {"body", "top_via", "from_tag", "to_tag", "contact_star", "first_contact"}
    assert typed - derived == {row[4] for row in ROWS} - {"-"}
