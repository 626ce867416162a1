"""The example in the README runs and prints what it says."""

import contextlib
import io
import pathlib
import re

README = pathlib.Path(__file__).parents[2] / "README.md"


def test_readme_example_prints_what_it_says():
    blocks = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```", README.read_text(), re.DOTALL)
    code, output = blocks.groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(README), "exec"), {})
    assert printed.getvalue() == output
