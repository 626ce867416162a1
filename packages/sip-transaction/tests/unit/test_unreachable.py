"""ICMP errors: the beginning of a datagram that comes back names the transaction, or nothing."""

from __future__ import annotations

import pytest

from trunkline.sip_transaction import Terminated, TransportFailed


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_quoted_request_ends_its_transaction(desk, method):
    transaction, (send, *_) = desk.layer.send_request(
        desk.request(method, via=f"SIP/2.0/UDP 192.0.2.1:5060;branch={desk.layer.new_branch()}"),
        desk.flow,
        now=desk.now,
    )
    effects = desk.layer.unreachable(send.data[:300], "Connection refused", now=desk.now)
    assert [type(effect) for effect in effects] == [TransportFailed, Terminated]
    assert effects[0].transaction is transaction
    assert effects[0].reason == "Connection refused"
    assert desk.layer.len_client == 0
    assert desk.layer.unreachable(send.data, "again", now=desk.now) == []


@pytest.mark.parametrize("kept", [0, 5, 20, 60])
def test_too_little_of_it_means_nothing(desk, kept):
    _, (send, *_) = desk.layer.send_request(
        desk.request("OPTIONS", via=f"SIP/2.0/UDP 192.0.2.1:5060;branch={desk.layer.new_branch()}"),
        desk.flow,
        now=desk.now,
    )
    assert desk.layer.unreachable(send.data[:kept], "refused", now=desk.now) == []
    assert desk.layer.len_client == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 40,
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKguess\r\n\r\n",
        b"X" * 1500,
        b"OPTIONS sip:a SIP/2.0\r\n" + b"Via: a\r\n" * 150,
    ],
)
def test_what_names_no_transaction_of_ours_does_nothing(desk, data):
    assert desk.layer.unreachable(data, "refused", now=desk.now) == []


def test_truncated_branch_is_not_taken_for_a_whole_one(desk):
    branch = desk.layer.new_branch()
    for suffix in ("", "0"):
        desk.layer.send_request(
            desk.request("OPTIONS", via=f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch}{suffix}"),
            desk.flow,
            now=desk.now,
        )
    data = f"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch}".encode()
    assert desk.layer.unreachable(data, "refused", now=desk.now) == []
