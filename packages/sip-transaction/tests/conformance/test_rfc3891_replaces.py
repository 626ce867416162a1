"""RFC 3891 §3: which dialog an INVITE with Replaces takes the place of, and how others are refused."""

from __future__ import annotations

import attrs
import pytest

from trunkline.sip_parser import RemoteProtocolError, make_response
from trunkline.sip_transaction import Dialog, DialogState, Replaces


@pytest.fixture
def dialog(desk):
    """A call of ours to bob, answered."""
    invite = desk.request(more="Contact: <sip:alice@192.0.2.1>\r\n")
    contact = [("Contact", "<sip:bob@198.51.100.2>")]
    return Dialog.from_uac(invite, make_response(invite, 200, to_tag="bob", headers=contact))


@pytest.fixture
def read(desk):
    def read(*values, method="INVITE"):
        return Replaces.of_request(desk.request(method, more="".join(f"Replaces: {v}\r\n" for v in values)))

    return read


VALUE = "call@192.0.2.1;to-tag=from;from-tag=bob"


def test_dialog_is_found_by_its_call_id_and_both_tags(read, dialog):
    assert read(VALUE).match([dialog]) == (200, dialog)
    assert read() is None


@pytest.mark.parametrize(
    "value",
    [
        "other;to-tag=from;from-tag=bob",
        "call@192.0.2.1;to-tag=bob;from-tag=from",
        "call@192.0.2.1;to-tag=FROM;from-tag=bob",
    ],
)
def test_other_dialogs_are_not_there(read, dialog, value):
    assert read(value).match([dialog]) == (481, None)


def test_two_that_match_are_none(read, dialog):
    assert read(VALUE).match([dialog, attrs.evolve(dialog)]) == (481, None)


@pytest.mark.parametrize(
    ("state", "is_caller", "early_only", "status"),
    [
        (DialogState.CONFIRMED, True, False, 200),
        (DialogState.CONFIRMED, False, False, 200),
        (DialogState.CONFIRMED, True, True, 486),
        (DialogState.EARLY, True, False, 200),
        (DialogState.EARLY, True, True, 200),
        (DialogState.EARLY, False, False, 481),
        (DialogState.TERMINATED, True, False, 603),
        (DialogState.TERMINATED, False, True, 603),
    ],
)
def test_state_decides(read, dialog, state, is_caller, early_only, status):
    dialog.state, dialog.is_caller = state, is_caller
    replaces = read(VALUE + (";early-only" if early_only else ""))
    assert replaces.match([dialog]) == (status, dialog if status == 200 else None)


def test_subscription_is_no_call_to_replace(read, dialog):
    dialog.made_by = "SUBSCRIBE"
    assert read(VALUE).match([dialog]) == (481, None)


def test_tag_0_stands_for_a_peer_without_one(read, dialog):
    dialog.remote_tag = None
    assert read("call@192.0.2.1;to-tag=from;from-tag=0").match([dialog]) == (200, dialog)


@pytest.mark.parametrize(
    ("values", "method"),
    [
        ([VALUE, VALUE], "INVITE"),
        ([VALUE], "REFER"),
        (["call@192.0.2.1;to-tag=from"], "INVITE"),
        (["call@192.0.2.1;from-tag=bob;to-tag="], "INVITE"),
    ],
)
def test_header_that_makes_no_sense_is_an_error(read, values, method):
    with pytest.raises(RemoteProtocolError) as caught:
        read(*values, method=method)
    assert caught.value.status_hint == 400


def test_what_we_write_the_other_side_finds(read, dialog, desk):
    """The dialog named by one of its sides, for a Refer-To, is found by the other."""
    invite = desk.request(more="Contact: <sip:alice@192.0.2.1>\r\n")
    theirs = Dialog.from_uas(invite, make_response(invite, 200, to_tag="bob"))
    written = str(Replaces.of(dialog, early_only=True))
    assert written == "call@192.0.2.1;to-tag=bob;from-tag=from;early-only"
    found = read(written)
    assert found.early_only
    assert attrs.evolve(found, early_only=False).match([theirs]) == (200, theirs)
