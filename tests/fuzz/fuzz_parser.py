"""Fuzz the parser, guided by coverage: `python tests/fuzz/fuzz_parser.py -runs=1000000`.

Needs atheris (`make fuzzer`). Options are libFuzzer's. New inputs go to build/fuzz
(TRUNKLINE_FUZZ_FOUND names another folder); the committed corpus, the torture messages and sip.dict are only
read. An input that breaks something is written to the current folder as crash-*; give that file as argument
to see it fail again.
"""

import os
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

with atheris.instrument_imports(include=["trunkline.sip_parser"]):
    from target import probe


def main() -> None:
    found = Path(os.environ.get("TRUNKLINE_FUZZ_FOUND", ROOT / "build" / "fuzz"))
    found.mkdir(parents=True, exist_ok=True)
    given = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    folders = [found, HERE / "corpus", ROOT / "packages/sip-parser/tests/conformance/torture"]
    defaults = [f"-dict={HERE / 'sip.dict'}", "-max_len=1200", "-timeout=10"]
    atheris.Setup([sys.argv[0], *defaults, *options, *(given or map(str, folders))], probe)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
