"""sipsak, the SIP tool, run once."""

import subprocess

from .process import PeerError, find_program


def sipsak(*arguments: str, seconds: float = 15.0) -> str:
    """Run sipsak and give what it printed.

    Raises:
        PeerError: it says that something is wrong.
    """
    program = find_program("sipsak") or "sipsak"
    run = subprocess.run(
        [program, *arguments], capture_output=True, text=True, errors="replace", timeout=seconds, check=False
    )
    if run.returncode != 0:
        raise PeerError(f"sipsak {' '.join(arguments)} gave {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr
