"""Build every wheel, then install each package alone in a clean environment and run its tests there.

uv ignores version bounds between workspace members; this does not: pip resolves each package's
dependencies among the wheels just built and the registry.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
TEST_TOOLS = ["pytest", "hypothesis", "pytest-trio", "pytest-timeout", "pytest-benchmark", "trustme"]


def run(*command: object, cwd: Path = ROOT) -> None:
    """Run a command; end with its status when it fails."""
    status = subprocess.run([str(word) for word in command], cwd=cwd, check=False).returncode
    if status:
        sys.exit(f"failed with status {status}: {' '.join(str(word) for word in command)}")


def pins() -> list[str]:
    """Read the locked versions, so that what is tested alone is what is shipped together."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return [line.split(" ")[0] for line in lines if line[:1].isalpha()]


def main() -> None:
    """Do all of it, package by package."""
    members = [*sorted(ROOT.glob("packages/*")), ROOT / "apps" / "provider"]
    with tempfile.TemporaryDirectory(prefix="wheels-") as folder:
        temporary = Path(folder)
        wheels = temporary / "wheels"
        constraints = temporary / "constraints.txt"
        constraints.write_text("\n".join(pins()) + "\n")
        for member in members:
            run(UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", wheels, member)
        for member in members:
            name = f"trunkline-{member.name}"
            environment = temporary / member.name
            python = environment / "bin" / "python"
            run(UV, "venv", "--quiet", environment)
            run(
                UV, "pip", "install", "--quiet", "--python", python, "--find-links", wheels,
                "--constraints", constraints, name, *TEST_TOOLS,
            )  # fmt: skip
            print(f"-- {name} alone, from its wheel", flush=True)
            options = ["--import-mode=importlib", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
            options += ["-o", "timeout=180", "-o", "trio_mode=true", "--rootdir", str(member)]
            run(python, "-m", "pytest", *options, "tests", cwd=member)


if __name__ == "__main__":
    main()
