"""The values of headers a message has no attributes for."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from trunkline.sip_parser import (
    LocalProtocolError,
    ParamValue,
    RemoteProtocolError,
    RetryAfter,
    WarningValue,
    format_date,
    parse_date,
)


@pytest.mark.parametrize(
    ("text", "value", "params"),
    [
        ("application/sdp", "application/sdp", {}),
        ("text/html ; charset=utf-8;level", "text/html", {"charset": "utf-8", "level": None}),
        ("<https://a/b;c?d>;info=alert", "<https://a/b;c?d>", {"info": "alert"}),
        ('SIP ;cause=200 ;text="Call; completed"', "SIP", {"cause": "200", "text": '"Call; completed"'}),
        ("1800;refresher=uas", "1800", {"refresher": "uas"}),
    ],
)
def test_a_value_and_its_parameters_are_told_apart(text, value, params):
    parsed = ParamValue.parse(text, "Accept")
    assert parsed.value == value
    assert parsed.params == params
    assert ParamValue.parse(str(parsed)) == parsed


@pytest.mark.parametrize("text", ["", ";a=b", '"a', "<a", "a;(=1"])
def test_what_has_no_value_is_refused(text):
    with pytest.raises(RemoteProtocolError, match="Accept"):
        ParamValue.parse(text, "Accept")


def test_q_is_a_number_from_0_to_1():
    assert ParamValue.parse("a").q == 1.0
    assert ParamValue.parse("a;q=0.75").q == 0.75
    for q in ("2", "1.5", "-1", "x", "nan", ""):
        with pytest.raises(RemoteProtocolError, match="expected q"):
            _ = ParamValue.parse(f"a;q={q}").q


@pytest.mark.parametrize("text", ["120", "18000;duration=3600", "120 (in a (small) meeting)", "5 (x);a=1"])
def test_retry_after_is_read_and_written(text):
    assert str(RetryAfter.parse(text)) == text


def test_retry_after_has_a_comment_and_a_duration():
    later = RetryAfter.parse("18000 (in a meeting) ; duration=3600")
    assert (later.seconds, later.comment, later.params) == (18000, "in a meeting", {"duration": "3600"})


@pytest.mark.parametrize("text", ["", "soon", "-1", "949302838503028349304023988", "4294967296"])
def test_a_retry_after_that_is_none_is_refused(text):
    with pytest.raises(RemoteProtocolError, match="Retry-After"):
        RetryAfter.parse(text)


def test_a_warning_is_read_and_written():
    text = '301 isi.edu "Incompatible \\"type\\""'
    warning = WarningValue.parse(text)
    assert (warning.code, warning.agent, warning.text) == (301, "isi.edu", 'Incompatible "type"')
    assert str(warning) == text


@pytest.mark.parametrize("text", ["", '1812 overture "In Progress"', "301 isi.edu text", '301 "x"'])
def test_a_warning_that_is_none_is_refused(text):
    with pytest.raises(RemoteProtocolError, match="Warning"):
        WarningValue.parse(text)


def test_a_date_is_read_and_written():
    at = datetime(2010, 11, 13, 23, 29, tzinfo=UTC)
    assert parse_date("Sat, 13 Nov 2010 23:29:00 GMT") == at
    assert format_date(at) == "Sat, 13 Nov 2010 23:29:00 GMT"
    assert format_date(at.astimezone(timezone(timedelta(hours=5)))) == "Sat, 13 Nov 2010 23:29:00 GMT"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Fri, 01 Jan 2010 16:00:00 EST",
        "Sat, 31 Feb 2010 23:29:00 GMT",
        "Sat, 13 Foo 2010 23:29:00 GMT",
        "Sat, 13 Nov 2010 25:29:00 GMT",
        "2010-11-13T23:29:00Z",
    ],
)
def test_a_date_that_is_none_is_refused(text):
    with pytest.raises(RemoteProtocolError, match="Date"):
        parse_date(text)


def test_a_naive_time_is_our_own_mistake():
    with pytest.raises(LocalProtocolError, match="naive"):
        format_date(datetime(2010, 11, 13, tzinfo=UTC).replace(tzinfo=None))
