"""RFC 4475, the torture tests: each message with what makes it torture, and what the RFC says of it.

The cases are named as the RFC names them. Headers without a part in the case are those of every other test;
what only a user agent can answer (415, unknown methods, a Date that is none) is
checked as far as a parser goes.
"""

import pytest

from trunkline.sip_parser import (
    CSeq,
    DigestCredentials,
    OtherUri,
    RemoteProtocolError,
    StreamReader,
    Uri,
    check_message,
    make_response,
    parse_datagram,
    parse_date,
)

FIVE = (
    "Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw",
    "To: sip:user@example.com",
    "From: sip:caller@example.net;tag=1",
    "Call-ID: torture",
    "Max-Forwards: 70",
)


def wire(start, *lines, body=b"", without=()):
    """Make a message of a start line and lines, and of the usual five where the case has none of its own."""
    given = {line.partition(":")[0].strip().lower() for line in lines} | set(without)
    usual = [line for line in FIVE if line.partition(":")[0].lower() not in given]
    method = start.partition(" ")[0]
    if "cseq" not in given:
        usual.append("CSeq: 8 " + ("INVITE" if method.startswith("SIP/") else method))
    return "\r\n".join([start, *usual, *lines, "", ""]).encode("utf-8", "surrogateescape") + body


def good(data):
    message = parse_datagram(data)
    check_message(message)
    assert message.to_bytes() == data
    return message


def refused(data):
    with pytest.raises(RemoteProtocolError) as caught:
        check_message(parse_datagram(data))
    return caught.value


def answered(data, status=400):
    error = refused(data)
    assert error.status_hint == status
    assert (
        make_response(error.message, status, to_tag="t").to_bytes().startswith(f"SIP/2.0 {status} ".encode())
    )
    return error


# 3.1.1 Valid messages


def test_3_1_1_1_wsinv_a_short_tortuous_invite():
    message = good(
        wire(
            "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
            "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
            'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8',
            "MaX-fOrWaRdS: 0068",
            "Call-ID: wsinv.ndaksdj@192.0.2.1",
            "Content-Length   : 3",
            "cseq: 0009\r\n  INVITE",
            "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw",
            "s :",
            "NewFangledHeader:   newfangled value\r\n continued newfangled value",
            "UnknownHeaderWithUnusualValue: ;;,,;;,;",
            "Content-Type: application/sdp",
            "Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
            "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
            " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239",
            'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
            "  secondparam ; q = 0.33",
            body=b"v=0",
        )
    )
    assert message.to_tag == "1918181833n"
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert message.from_tag == "98asjd8"
    assert message.max_forwards == 68
    assert message.cseq == CSeq(9, "INVITE")
    assert [(via.transport, via.host, via.branch) for via in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert message.headers.get("Subject") == ""
    assert message.headers.get("newfangledheader") == "newfangled value continued newfangled value"
    assert message.routes[0].uri.params == {"lr": None, "unknownwith": "value", "unknown-no-value": None}
    assert message.contacts[0].display_name == 'Quoted string ""'
    assert message.contacts[0].params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert message.parsed_uri.params == {"unknownparam": None}


def test_3_1_1_2_intmeth_a_wide_range_of_valid_characters():
    user, password = (
        "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
        "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
    )
    method = "!interesting-Method0123456789_*+`.%indeed'~"
    message = good(
        wire(
            f"{method} sip:{user}:{password}@example.com SIP/2.0",
            "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
            f'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:{user}@example.com>',
            "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com> "
            ";fromParam''~+*_!.-%=\"работающий\""
            ";tag=_token~1'+`*%!-.",
            "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            f"CSeq: 139122385 {method}",
            "Max-Forwards: 255",
            "extensionHeader-!.%*+_`'~:\ufeff大停電",
            "Content-Length: 0",
        )
    )
    assert message.method == method
    assert (message.parsed_uri.user, message.parsed_uri.password) == (user, password)
    assert message.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert message.from_.params["fromparam''~+*_!.-%"] == '"работающий"'
    assert message.from_tag == "_token~1'+`*%!-."
    assert message.top_via.branch == "z9hG4bK-.!%66*_+`'~"
    assert message.headers.get("EXTENSIONHEADER-!.%*+_`'~") == "\ufeff大停電"


def test_3_1_1_3_esc01_valid_use_of_the_percent_escape():
    message = good(
        wire(
            "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
            "To: sip:%75se%72@example.com",
            "From: <sip:I%20have%20spaces@example.net>;tag=938",
            "Contact:\r\n  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
        )
    )
    assert message.parsed_uri.scheme == "sip"
    assert message.parsed_uri.address_of_record == "sips:user@example.com@example.net"
    assert message.to.uri.equivalent(Uri.parse("sip:user@example.com"))
    assert message.from_.uri.address_of_record == "I have spaces@example.net"
    assert message.contacts[0].uri.is_lr
    assert message.contacts[0].uri.equivalent(Uri.parse("sip:caller@host5.example.net;lr;name=value%2541"))


def test_3_1_1_4_escnull_escaped_nulls_in_uris():
    message = good(
        wire(
            "REGISTER sip:example.com SIP/2.0",
            "To: sip:null-%00-null@example.com",
            "From: sip:null-%00-null@example.com;tag=839923423",
            "Contact: <sip:%00@host5.example.com>",
            "Contact: <sip:%00%00@host5.example.com>",
            "L:0",
        )
    )
    assert message.to.uri.address_of_record == "null-\0-null@example.com"
    first, second = message.contacts
    assert not first.uri.equivalent(second.uri)


def test_3_1_1_5_esc02_percent_where_it_is_no_escape():
    message = good(
        wire(
            "RE%47IST%45R sip:registrar.example.com SIP/2.0",
            'To: "%Z%45" <sip:resource@example.com>',
            'From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23',
            "Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234",
            "Contact: <sip:alias1@host1.example.com>",
            "C%6Fntact: <sip:alias2@host2.example.com>",
            "Contact: <sip:alias3@host3.example.com>",
        )
    )
    assert message.method == "RE%47IST%45R"
    assert message.to.display_name == "%Z%45"
    assert [contact.uri.user for contact in message.contacts] == ["alias1", "alias3"]
    assert "c%6fntact" in message.headers


def test_3_1_1_6_lwsdisp_no_blank_between_display_name_and_bracket():
    message = good(
        wire("OPTIONS sip:user@example.com SIP/2.0", "From: caller<sip:caller@example.com>;tag=323")
    )
    assert message.from_.display_name == "caller"
    assert message.from_tag == "323"


def test_3_1_1_7_longreq_long_values():
    name, value = "parameter" + "name" * 25, "very" + "long" * 40 + "value"
    vias = [
        f"{spelled}: SIP/2.0/TCP sip{n}.example.com"
        for n, spelled in enumerate(("Via", "v", "V", "ViA", "V ") * 6)
    ]
    message = good(
        wire(
            "INVITE sip:user@example.com SIP/2.0",
            f'To: "I have a user name of {"extreme" * 10} proportion"'
            f"<sip:user@example.com:6000;{name}={value};{name}2>",
            f"F: sip:{'amazinglylongcallername' * 5}@example.net;tag={'1298' * 43};{name}={value};{name}2",
            f"Call-ID: longreq.one{'really' * 20}longcallid",
            f"Unknown-{'Long' * 20}-Name: unknown-{'long' * 20}-value; unknown-{'long' * 20}-parameter = x",
            *vias,
            f"Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch={value}",
            without=["from"],
        )
    )
    assert len(message.vias) == 31
    assert message.vias[30].branch == value
    assert message.to.uri.params[name] == value
    assert len(message.from_tag) == 172


def test_3_1_1_8_dblreq_extra_octets_after_the_message():
    request = wire("REGISTER sip:example.com SIP/2.0", "Content-Length: 0")
    extra = wire("INVITE sip:joe@example.com SIP/2.0", "Content-Length: 3", body=b"v=0")
    message = parse_datagram(request + extra)
    check_message(message)
    assert message.to_bytes() == request
    assert [message.method for message in StreamReader().receive(request + extra)] == ["REGISTER", "INVITE"]


def test_3_1_1_9_semiuri_semicolon_parameters_in_the_user_part():
    message = good(wire("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"))
    assert message.parsed_uri.user == "user;par=u%40example.net"
    assert message.parsed_uri.params == {}
    assert message.parsed_uri.address_of_record == "user;par=u@example.net@example.com"


def test_3_1_1_10_transports_varied_and_unknown_transports():
    message = good(
        wire(
            "OPTIONS sip:user@example.com SIP/2.0",
            *(
                f"Via: SIP/2.0/{transport} t.example.com;branch=z9hG4bK{transport}"
                for transport in ("UDP", "SCTP", "TLS", "UNKNOWN", "TCP")
            ),
        )
    )
    assert [via.transport for via in message.vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_3_1_1_11_mpart01_a_binary_body_stays_as_it_is():
    body = b"--7a9c\r\nContent-Type: text/plain\r\n\r\nHi\r\n--7a9c\r\n\r\n\x30\x82\x01\0\r\n\r\n\n\r"
    message = good(
        wire(
            "MESSAGE sip:kumiko@example.org SIP/2.0",
            'Content-Type: multipart/signed;protocol="application/pkcs7-signature";boundary=7a9c',
            f"Content-Length: {len(body)}",
            body=body,
        )
    )
    assert message.content_type == "multipart/signed"
    assert message.body == body


def test_3_1_1_12_unreason_an_unusual_reason_phrase():
    message = good(wire("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое"))
    assert message.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"


def test_3_1_1_13_noreason_an_empty_reason_phrase():
    assert good(wire("SIP/2.0 100 ")).reason == ""


# 3.1.2 Invalid messages


def test_3_1_2_1_badinv01_extraneous_separators():
    error = answered(
        wire(
            "INVITE sip:user@example.com SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.15;;,;,,",
            'Contact: "Joe" <sip:joe@example.org>;;;;',
        )
    )
    assert "Via" in error.reason


def test_3_1_2_2_clerr_content_length_larger_than_the_message():
    answered(wire("INVITE sip:user@example.com SIP/2.0", "Content-Length: 9999", body=b"v=0\r\n"))


def test_3_1_2_3_ncl_negative_content_length():
    data = wire("INVITE sip:user@example.com SIP/2.0", "Content-Length: -999", body=b"v=0\r\n")
    answered(data)
    with pytest.raises(RemoteProtocolError):
        StreamReader().receive(data)


def test_3_1_2_4_scalar02_overlarge_values_in_a_request():
    data = wire(
        "REGISTER sip:example.com SIP/2.0",
        "CSeq: 36893488147419103232 REGISTER",
        "Max-Forwards: 300",
        "Expires: 1" + "0" * 100,
        "Contact: <sip:user@host129.example.com>\r\n  ;expires=280297596632815",
    )
    answered(data)
    message = parse_datagram(data)
    for attribute in ("cseq", "max_forwards", "expires"):
        with pytest.raises(RemoteProtocolError):
            getattr(message, attribute)
    assert message.contacts[0].params["expires"] == "280297596632815"


def test_3_1_2_5_scalarlg_overlarge_values_in_a_response():
    error = refused(
        wire(
            "SIP/2.0 503 Service Unavailable",
            "CSeq: 9292394834772304023312 OPTIONS",
            "Retry-After: 949302838503028349304023988",
            'Warning: 1812 overture "In Progress"',
        )
    )
    assert not error.message.is_request


def test_3_1_2_6_quotbal_an_unterminated_quoted_string():
    answered(wire("INVITE sip:user@example.com SIP/2.0", 'To: "Mr. J. User <sip:j.user@example.com>'))


def test_3_1_2_7_ltgtruri_brackets_around_the_request_uri():
    answered(wire("INVITE <sip:user@example.com> SIP/2.0"))


def test_3_1_2_8_lwsruri_a_blank_within_the_request_uri():
    answered(wire("INVITE sip:user@example.com; lr SIP/2.0", "CSeq: 1 INVITE"))


def test_3_1_2_9_lwsstart_several_blanks_in_the_request_line():
    answered(wire("INVITE  sip:user@example.com  SIP/2.0", "CSeq: 1 INVITE"))


def test_3_1_2_10_trws_blanks_after_the_request_line():
    answered(wire("OPTIONS sip:remote-target@example.com SIP/2.0  "))


def test_3_1_2_11_escruri_escaped_headers_in_the_request_uri():
    answered(wire("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"))


def test_3_1_2_12_baddate_a_time_zone_other_than_gmt():
    message = good(wire("INVITE sip:user@example.com SIP/2.0", "Date: Fri, 01 Jan 2010 16:00:00 EST"))
    with pytest.raises(RemoteProtocolError):
        parse_date(message.headers.get("date"))


def test_3_1_2_13_regbadct_a_question_mark_without_brackets():
    error = answered(
        wire(
            "REGISTER sip:example.com SIP/2.0",
            "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        )
    )
    assert "Contact" in error.reason


def test_3_1_2_14_badaspec_blanks_within_the_brackets():
    answered(
        wire("OPTIONS sip:user@example.org SIP/2.0", 'To: "Watson, Thomas" < sip:t.watson@example.org >')
    )


def test_3_1_2_15_baddn_a_display_name_that_needs_quotes():
    answered(
        wire(
            "OPTIONS sip:t.watson@example.org SIP/2.0",
            "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
        )
    )


def test_3_1_2_16_badvers_an_unknown_protocol_version():
    answered(
        wire(
            "OPTIONS sip:t.watson@example.org SIP/7.0", "Via: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw"
        ),
        505,
    )


@pytest.mark.parametrize("method", ["OPTIONS", "NEWMETHOD"])
def test_3_1_2_17_and_18_mismatch_the_method_of_cseq(method):
    answered(wire(f"{method} sip:user@example.com SIP/2.0", "CSeq: 8 INVITE"))


def test_3_1_2_19_bigcode_a_status_that_is_none():
    assert refused(wire("SIP/2.0 4294967301 better not break the receiver")).message is None


# 3.2 Transaction layer semantics


def test_3_2_1_badbranch_a_branch_that_is_only_the_cookie():
    message = good(wire("OPTIONS sip:user@example.com SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"))
    assert message.top_via.branch == "z9hG4bK"


# 3.3 Application layer semantics


def test_3_3_1_insuf_missing_headers():
    error = answered(
        wire("INVITE sip:user@example.com SIP/2.0", "CSeq: 193942 INVITE", without=["from", "to", "call-id"])
    )
    assert "no From and no To and no Call-ID" in error.reason


@pytest.mark.parametrize(
    "uri",
    ["nobodyKnowsThisScheme:totallyopaquecontent", "soap.beep://192.0.2.103:3002"],
    ids=["unkscm", "novelsc"],
)
def test_3_3_2_and_3_unknown_schemes_in_the_request_uri(uri):
    answered(wire(f"OPTIONS {uri} SIP/2.0"), 416)


def test_3_3_4_unksm2_unknown_schemes_in_headers():
    message = good(
        wire(
            "REGISTER sip:example.com SIP/2.0",
            "To: isbn:2983792873",
            "From: <http://www.example.com>;tag=3234233",
            "Contact: <name:John_Smith>",
        )
    )
    assert message.to.uri == OtherUri("isbn", "2983792873")
    assert message.from_.uri == OtherUri("http", "//www.example.com")
    assert message.contacts[0].uri == OtherUri("name", "John_Smith")


def test_3_3_5_bext01_extensions_nobody_supports():
    message = good(
        wire(
            "OPTIONS sip:user@example.com SIP/2.0",
            "Require: nothingSupportsThis, nothingSupportsThisEither",
            "Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis",
        )
    )
    assert message.require == ["nothingsupportsthis", "nothingsupportsthiseither"]
    assert message.proxy_require == ["noproxiessupportthis", "nordoanyproxiessupportthis"]


def test_3_3_6_invut_an_unknown_content_type():
    message = good(wire("INVITE sip:user@example.com SIP/2.0", "Content-Type: application/unknownformat"))
    assert message.content_type == "application/unknownformat"


def test_3_3_7_regaut01_an_unknown_authorization_scheme():
    message = good(
        wire("REGISTER sip:example.com SIP/2.0", "Authorization: NoOneKnowsThisScheme opaque-data=here")
    )
    with pytest.raises(RemoteProtocolError, match="Digest"):
        DigestCredentials.parse(message.headers.get("authorization"))


def test_3_3_8_multi01_several_values_where_one_may_be():
    answered(
        wire(
            "INVITE sip:user@company.com SIP/2.0",
            "CSeq: 5 INVITE",
            "Call-ID: multi01.98asdh@192.0.2.1",
            "CSeq: 59 INVITE",
            "Call-ID: multi01.98asdh@192.0.2.2",
            "From: sip:caller@example.com;tag=3413415",
            "To: sip:user@example.com",
            "To: sip:other@example.net",
            "From: sip:caller@example.net;tag=2923420123",
        )
    )


def test_3_3_9_mcl01_several_content_lengths():
    answered(
        wire(
            "OPTIONS sip:user@example.com SIP/2.0",
            "Content-Length: 13",
            "Content-Length: 5",
            body=b"There's no way",
        )
    )


def test_3_3_10_bcast_a_broadcast_address_in_the_second_via_of_a_response():
    message = good(
        wire(
            "SIP/2.0 200 OK",
            "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923",
            "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",
        )
    )
    assert message.vias[1].host == "255.255.255.255"


def test_3_3_11_zeromf_max_forwards_of_zero():
    assert good(wire("OPTIONS sip:user@example.com SIP/2.0", "Max-Forwards: 0")).max_forwards == 0


def test_3_3_12_cparam01_a_parameter_outside_of_brackets_is_the_headers():
    message = good(
        wire("REGISTER sip:example.com SIP/2.0", "Contact: sip:+19725552222@gw1.example.net;unknownparam")
    )
    assert message.contacts[0].params == {"unknownparam": None}
    assert message.contacts[0].uri.params == {}


def test_3_3_13_cparam02_a_parameter_inside_of_brackets_is_the_uris():
    message = good(
        wire("REGISTER sip:example.com SIP/2.0", "Contact: <sip:+19725552222@gw1.example.net;unknownparam>")
    )
    assert message.contacts[0].params == {}
    assert message.contacts[0].uri.params == {"unknownparam": None}


def test_3_3_14_regescrt_headers_inside_of_brackets_are_the_uris():
    message = good(
        wire(
            "REGISTER sip:example.com SIP/2.0",
            "M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
            "L:0",
        )
    )
    assert message.contacts[0].uri.headers == "Route=%3Csip:sip.example.com%3E"


def test_3_3_15_sdp01_an_accept_nobody_can_answer():
    message = good(wire("INVITE sip:user@example.com SIP/2.0", "Accept: text/nobodyKnowsThis"))
    assert message.headers.values("accept") == ["text/nobodyKnowsThis"]


# 3.4 Backward compatibility


def test_3_4_1_inv2543_a_request_of_an_rfc_2543_agent():
    message = good(
        wire(
            "INVITE sip:UserB@example.com SIP/2.0",
            "Via: SIP/2.0/UDP iftgw.example.com",
            "From: <sip:+13035551111@ift.client.example.net;user=phone>",
            "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>",
            "To: sip:+16505552222@ss1.example.net;user=phone",
            without=["max-forwards"],
            body=b"v=0\r\n",
        )
    )
    assert message.top_via.branch is None
    assert message.from_tag is None
    assert message.max_forwards is None
    assert message.to.params == {"user": "phone"}
    assert message.record_routes[0].uri.params == {"maddr": "ss1.example.com"}
    assert message.body == b"v=0\r\n"
