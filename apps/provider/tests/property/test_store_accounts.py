"""The rows that an account gives are those of what accounting's rules give, whatever the call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trunkline.acct import Rules
from trunkline.provider.store import Account
from trunkline.provider.store._rows import acc_row, cdr_row

START = datetime(2026, 3, 1, tzinfo=UTC)
TIMES = st.one_of(st.integers(-5000, 5000), st.integers(-(10**11), 10**11)).map(
    lambda count: START + timedelta(milliseconds=count)
)
TEXTS = st.one_of(
    st.text(st.characters(codec="ascii"), max_size=40),
    st.text(
        st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=40
    ),
)
ACCOUNTS = st.builds(
    lambda *texts, **more: Account(*texts[:2], START, *texts[2:], **more).open(),
    *[TEXTS] * 7,
    answer=TIMES,
    to_tag=TEXTS,
    code=st.integers(200, 299),
    reason=TEXTS,
)


@given(ACCOUNTS)
def test_answered_call_gives_the_row_of_the_rules(account: Account) -> None:
    assert account.answer is not None
    entries = Rules().answered(account, account.answer, account.to_tag, account.code, account.reason)
    assert entries.acc is not None
    assert account.answer_row() == acc_row(entries.acc)


@given(ACCOUNTS, TIMES, st.sampled_from(["caller", "callee", "server"]), TEXTS, st.sampled_from("awr"))
def test_ended_call_gives_the_rows_of_the_rules(
    account: Account, at: datetime, by: str, cause: str, was: str
) -> None:
    if was == "a":  # its first row was written by this server, or by the one before
        account.answer_row()
    elif was == "r":
        account.answer, account.code = None, 0
    entries = Rules().ended(account, at, by, cause)
    assert entries.cdr is not None
    row, record = account.end_rows(at, by, cause, "now")
    assert row == (None if entries.acc is None else acc_row(entries.acc))
    assert record == cdr_row(entries.cdr, "now")
