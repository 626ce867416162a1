"""The README's examples run and print what it says."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = re.findall(
    r"```python\n(.*?)```.*?```text\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
)


def test_every_example_says_what_it_prints() -> None:
    assert len(EXAMPLES) == README.read_text(encoding="utf-8").count("```python\n") == 2


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_the_example_prints_what_the_readme_says(code: str, printed: str) -> None:
    said = StringIO()
    with redirect_stdout(said):
        exec(compile(code, str(README), "exec"), {})
    assert said.getvalue() == printed
