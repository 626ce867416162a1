"""The README's examples run, and give what it says they give."""

import re
from pathlib import Path

import pytest

from trunkline.sip_parser import StreamReader

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def blocks():
    return re.findall(r"^```(\w*)\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


def test_the_first_example_gives_what_it_says(blocks, capsys):
    (_, code), (_, output) = blocks[:2]
    exec(code, {})
    assert capsys.readouterr().out.replace("\r\n", "\n").strip() == output.strip()


def test_the_stream_example_answers_pings_and_mistakes(blocks, invite_with):
    names = {}
    exec(blocks[2][1], names)
    answers = names["on_bytes"](StreamReader(), b"\r\n\r\n" + invite_with("no colon") + invite_with())
    assert answers[0] == b"\r\n"
    assert answers[1].startswith(b"SIP/2.0 400 ")
    assert len(answers) == 2


def test_the_strategies_example_passes(blocks):
    names = {}
    exec(blocks[3][1], names)
    tests = [thing for name, thing in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()
