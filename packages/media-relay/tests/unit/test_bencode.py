"""Bencode, and what of it is not believed."""

import pytest

from trunkline.media_relay import LocalProtocolError, RemoteProtocolError, bdecode, bencode


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, b"i0e"),
        (-42, b"i-42e"),
        (True, b"i1e"),
        ("", b"0:"),
        ("grüße", b"7:gr\xc3\xbc\xc3\x9fe"),
        (b"\xff\0", b"2:\xff\0"),
        ([], b"le"),
        (("a", 1), b"l1:ai1ee"),
        ({"b": 1, "a": {"c": []}}, b"d1:ad1:clee1:bi1ee"),
    ],
)
def test_encoding(value, data):
    assert bencode(value) == data


def test_keys_may_come_in_any_order():
    assert bdecode(b"d1:bi1e1:ai2ee") == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"i",
        b"ie",
        b"i-e",
        b"i1",
        b"i1x2e",
        b"i" + b"9" * 30 + b"e",
        b"5:abc",
        b"1",
        b"-1:a",
        b"99999999:",
        b"l",
        b"li1e",
        b"d",
        b"d1:a",
        b"d1:ae",
        b"di1ei2ee",
        b"i1ei2e",
        b"l" * 17 + b"e" * 17,
        b"l" * 100000,
    ],
)
def test_broken_data_is_told(data):
    with pytest.raises(RemoteProtocolError):
        bdecode(data)


def test_what_cannot_be_carried_is_the_callers_mistake():
    with pytest.raises(LocalProtocolError):
        bencode({"a": 1.5})
