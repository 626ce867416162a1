"""What is remembered is read once, within a bound, and never when it could not be read."""

import pytest

from trunkline.sip_parser._memory import REMEMBERED_LENGTH, Memory


@pytest.fixture
def read():
    """Reads upper case, notes what it was asked for, and cannot read `bad`."""

    def upper(text):
        upper.asked.append(text)
        if text == "bad":
            raise ValueError(text)
        return text.upper()

    upper.asked = []
    return upper


def test_a_text_is_read_once(read):
    memory = Memory(read, 4)
    assert [memory["a"], memory["a"], memory["b"], memory["a"]] == ["A", "A", "B", "A"]
    assert read.asked == ["a", "b"]


def test_an_error_is_raised_each_time(read):
    memory = Memory(read, 4)
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            memory["bad"]
    assert read.asked == ["bad", "bad"]


def test_at_least_a_generation_and_at_most_two_are_kept(read):
    memory = Memory(read, 4)
    texts = [f"t{number}" for number in range(100)]
    for text in texts:
        assert memory[text] == text.upper()
        assert len(memory) + len(memory._old) <= 8
    read.asked.clear()
    assert [memory[text] for text in texts[-4:]] == [text.upper() for text in texts[-4:]]
    assert read.asked == []


def test_what_is_asked_for_again_stays(read):
    memory = Memory(read, 4)
    for number in range(100):
        assert memory["often"] == "OFTEN"
        assert memory[f"t{number}"] == f"T{number}"
    assert read.asked.count("often") == 1


def test_long_texts_are_read_and_not_kept(read):
    memory = Memory(read, 4)
    text = "x" * (REMEMBERED_LENGTH + 1)
    assert memory[text] == memory[text] == text.upper()
    assert read.asked == [text, text]
    assert not memory


def test_everything_can_be_forgotten(read):
    memory = Memory(read, 1)
    assert [memory["a"], memory["b"]] == ["A", "B"]
    memory.clear()
    assert [memory["a"], memory["b"]] == ["A", "B"]
    assert read.asked == ["a", "b", "a", "b"]
