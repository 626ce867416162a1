"""What the package promises by name: a change here is a change for others."""

import trunkline.acct


def test_public_names() -> None:
    assert trunkline.acct.__all__ == sorted(trunkline.acct.__all__)
    assert trunkline.acct.__all__ == [
        "AccRow",
        "AccRowReady",
        "AcctError",
        "CallAnswered",
        "CallClosed",
        "CallEnded",
        "CallEvent",
        "CallFailed",
        "CallOpened",
        "CallRinging",
        "CallStarted",
        "Cdr",
        "Effect",
        "Entries",
        "Event",
        "Ledger",
        "LocalProtocolError",
        "MissedCallReady",
        "OpenCall",
        "RecordError",
        "Rules",
        "cdrs_from_acc_rows",
        "elapsed_ms",
        "milliseconds",
        "rebuild",
    ]


def test_every_public_name_is_there() -> None:
    for name in trunkline.acct.__all__:
        assert hasattr(trunkline.acct, name)
