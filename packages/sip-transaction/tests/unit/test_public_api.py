"""What the package shows to others, so that a change of it is a conscious act; and its README's example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import trunkline.sip_transaction

PUBLIC = [
    "AcceptedInvite",
    "AcceptedState",
    "AckMissing",
    "AckReceived",
    "Arrival",
    "CancelReceived",
    "Capabilities",
    "ChallengeRefused",
    "ClientAuthenticator",
    "ClientTransaction",
    "Dialog",
    "DialogBegun",
    "DialogConfirmed",
    "DialogEnded",
    "DialogId",
    "DialogSet",
    "DialogState",
    "Dropped",
    "Effect",
    "Flow",
    "MergedRequests",
    "Negotiation",
    "NotifierSilent",
    "NotifierState",
    "Notify",
    "PrackMissing",
    "ReferNotifier",
    "ReferSubscriber",
    "RefreshDue",
    "Refusal",
    "ReliableOrder",
    "ReliableResponses",
    "ReliableState",
    "Replaces",
    "RequestReceived",
    "Respond",
    "ResponseReceived",
    "SIPFRAG",
    "Send",
    "ServerTransaction",
    "SessionExpired",
    "SessionState",
    "SessionTimer",
    "State",
    "Statistics",
    "StrayResponse",
    "SubscriberState",
    "Terminated",
    "TimedOut",
    "TimerValues",
    "TransactionLayer",
    "TransportFailed",
    "Turn",
    "dialog_id",
    "glare_delay",
    "make_prack",
]


def test_public_names_are_these():
    assert sorted(trunkline.sip_transaction.__all__) == PUBLIC
    for name in PUBLIC:
        assert hasattr(trunkline.sip_transaction, name)


def test_every_public_thing_says_what_it_is():
    for name in PUBLIC:
        thing = getattr(trunkline.sip_transaction, name)
        if isinstance(thing, type):
            assert thing.__doc__, name


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```.*?```text\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(("example", "output"), EXAMPLES)
def test_readme_examples_print_what_is_shown(capsys, example, output):
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out == output


def test_readme_has_its_examples():
    assert len(EXAMPLES) == README.count("```python") == 3
