"""What this package promises by name: a change here is a change for everybody who uses it."""

import trunkline.sip_parser
from trunkline.sip_parser import testing

PUBLIC = """
CSeq DIGEST_ALGORITHMS DigestChallenge DigestCredentials Headers KNOWN_METHODS KeepAlive LocalProtocolError
MAGIC_COOKIE Message NameAddr OtherUri ParamValue RemoteProtocolError Request Response RetryAfter
SipError StreamReader TelUri Uri Via WarningValue check_message digest_response equivalent_values
format_date forwarded_bytes forwarded_copy ha1 make_response mark_received parse_date parse_datagram
parse_uri quote read_within_dialog reason_phrase response_bytes unescape unquote
"""
STRATEGIES = """
cseqs digest_challenges digest_credentials header_lines header_params headers hosts message_bytes messages
methods mutated_bytes mutations name_addrs other_uris ports quoted_strings requests responses tel_uris
tokens uris vias
"""


def test_the_public_names_are_these():
    assert sorted(trunkline.sip_parser.__all__) == sorted(PUBLIC.split())


def test_every_public_name_exists_and_says_what_it_is():
    for name in trunkline.sip_parser.__all__:
        assert getattr(trunkline.sip_parser, name).__doc__


def test_the_strategies_are_these():
    strategies = [
        name
        for name, thing in vars(testing).items()
        if name[0] != "_" and getattr(thing, "__module__", "") == testing.__name__
    ]
    assert sorted(strategies) == sorted(STRATEGIES.split())
