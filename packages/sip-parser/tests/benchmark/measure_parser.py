"""Microseconds of CPU for what the parser does to a typical INVITE of ten headers. Run it by hand:

    python packages/sip-parser/tests/benchmark/measure_parser.py

The best of many short runs is printed, as it is least disturbed. "new" values were never seen before, "known"
ones were: the messages of a call repeat each other, and parsed values are remembered by their text.
"""

import timeit
from time import process_time

from trunkline.sip_parser import Via, check_message, make_response, parse_datagram, parse_uri

INVITE = (
    b"INVITE sip:bob@biloxi.example.com;transport=udp SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.example.com:5066;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"To: Bob <sip:bob@biloxi.example.com>\r\n"
    b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
    b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:alice@192.0.2.33:5066;transport=udp>\r\n"
    b"User-Agent: Phone 1.0\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 3\r\n\r\nv=0"
)
ROUNDS = 200


def measure(what, action, *, before=None):
    """Print the best time of `action`; `before` runs ahead of each call and is taken off the time."""
    if before is None:
        seconds = min(timeit.repeat(action, timer=process_time, number=200, repeat=ROUNDS)) / 200
    else:
        seconds = (
            min(timeit.repeat(lambda: (before(), action()), timer=process_time, number=200, repeat=ROUNDS))
            / 200
        )
        seconds -= (
            min(timeit.repeat(lambda: (before(), None), timer=process_time, number=200, repeat=ROUNDS)) / 200
        )
    print(f"{what:56} {seconds * 1e6:7.2f}")


def forget():
    """Empty what is remembered between messages."""
    from trunkline.sip_parser import _address, _uri, _via

    for remembered in (
        _via._remembered_via,
        _via._remembered_cseq,
        _uri._remembered_uri,
        _address._remembered_address,
    ):
        remembered.cache_clear()


def main():
    message = parse_datagram(INVITE)
    cache = message.headers._cache
    measure("parse_datagram", lambda: parse_datagram(INVITE))
    for name in ("top_via", "from_", "to", "cseq", "call_id", "contacts", "max_forwards"):
        read = type(message).__mro__[1].__dict__[name].fget

        def fresh():
            cache.clear()
            forget()

        measure(f"{name}, first time, new", lambda read=read: read(message), before=fresh)
        measure(f"{name}, first time, known", lambda read=read: (cache.clear(), read(message)))
    measure("top_via, again", lambda: message.top_via)
    measure("parse_uri, new", lambda: parse_uri("sip:bob@biloxi.example.com;transport=udp"), before=forget)
    measure(
        "parse_datagram + check_message, new", lambda: check_message(parse_datagram(INVITE)), before=forget
    )
    measure("parse_datagram + check_message, known", lambda: check_message(parse_datagram(INVITE)))
    measure("to_bytes, untouched", message.to_bytes)
    measure("copy", message.copy)
    via = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1234567890abcdef"

    def change():
        message.headers.set("Max-Forwards", "69")
        return message.to_bytes()

    def forward():
        copy = message.copy()
        copy.uri = "sip:bob@192.0.2.4:5070"
        copy.headers.set("Max-Forwards", "69")
        copy.headers.prepend("Via", via)
        copy.headers.prepend("Record-Route", "<sip:192.0.2.1;lr>")
        return copy.to_bytes()

    measure("change a header + to_bytes", change)
    measure("copy, URI, Max-Forwards, Via, Record-Route, to_bytes", forward)
    top = Via.parse(via)
    measure("via.replace + str", lambda: str(top.replace(params={**top.params, "received": "192.0.2.9"})))
    measure("make_response + to_bytes", lambda: make_response(message, 200, to_tag="abc").to_bytes())
    response = make_response(message, 200, to_tag="abc").to_bytes()

    def backward():
        back = parse_datagram(response)
        back.headers.pop_value("Via")
        return back.to_bytes()

    measure("response: parse_datagram, pop Via, to_bytes", backward)


if __name__ == "__main__":
    main()
