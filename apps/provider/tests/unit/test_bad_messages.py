"""The log of bad messages: bounded for each minute and each source, and nothing is lost from the count."""

from itertools import count

import pytest

from trunkline.provider.bad_messages import LINES, LINES_OF_SOURCE, SOURCES, WINDOW, BadMessages
from trunkline.provider.stack import BadMessage
from trunkline.sip_transaction import Flow


@pytest.fixture
def lines():
    return []


@pytest.fixture
def bad_messages(lines):
    return BadMessages(lambda text, **values: lines.append((text, values)))


def bad(host="192.0.2.1"):
    return BadMessage("expected SIP, got noise", Flow("UDP", ("192.0.2.9", 5060), (host, 5062)))


def test_a_bad_message_is_a_line_that_says_where_it_came_from_and_why(bad_messages, lines):
    bad_messages.note(bad(), now=1.0)
    assert lines == [
        ("a message was refused", {"source": "192.0.2.1:5062/udp", "reason": "expected SIP, got noise"})
    ]


def test_one_source_gets_few_lines_and_does_not_hide_another(bad_messages, lines):
    for _ in range(1000):
        bad_messages.note(bad(), now=1.0)
    assert len(lines) == LINES_OF_SOURCE
    bad_messages.note(bad("192.0.2.2"), now=2.0)
    assert lines[-1][1]["source"] == "192.0.2.2:5062/udp"
    assert bad_messages.total == 1001


def test_many_sources_get_so_many_lines_and_so_much_memory(bad_messages, lines):
    for number in range(3 * SOURCES):
        bad_messages.note(bad(f"10.0.{number // 250}.{number % 250}"), now=1.0)
    assert len(lines) == LINES
    assert len(bad_messages._sources) == SOURCES


def test_what_was_left_unsaid_is_summed_up_when_the_minute_is_over(bad_messages, lines):
    for _ in range(100):
        bad_messages.note(bad(), now=1.0)
    bad_messages.sum_up(now=1.0 + WINDOW / 2)
    assert len(lines) == LINES_OF_SOURCE
    bad_messages.sum_up(now=1.0 + WINDOW)
    assert lines[-1] == (
        "more messages were refused",
        {"count": 100 - LINES_OF_SOURCE, "most_from": "192.0.2.1"},
    )
    bad_messages.sum_up(now=1.0 + 2 * WINDOW)
    assert len(lines) == LINES_OF_SOURCE + 1


def test_lines_begin_again_with_the_next_minute(bad_messages, lines):
    for minute in range(3):
        for _, second in zip(range(50), count(), strict=False):
            bad_messages.note(bad(), now=minute * WINDOW + second / 10)
    assert len(lines) == 3 * LINES_OF_SOURCE + 2
