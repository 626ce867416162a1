"""Load by SIPp: one run of one scenario against one server, and what it cost that server.

SIPp's clock steps 4 ms, so its times are coarse. A callee that answers without ringing, or a call held
for less than 50 ms, may be reordered by any server of several processes: keep ring and hold above.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from measuring import Usage
from peers.ports import HOST, free_port
from peers.process import PeerError, Process, find_program
from peers.sipp import fill_in
from subjects import PASSWORD, user

SCENARIOS = Path(__file__).parent / "scenarios"
CALLERS = {"invite": "caller", "invite-auth": "caller_auth", "register": "register", "options": "options"}
RING_MS = 100
HOLD_MS = 200
"From ACK to BYE, where nothing else is said."
DEADLINE = 15.0
"Seconds that SIPp may take longer than the rate promises."


class Subject(Protocol):
    """A server under load."""

    name: str
    port: int

    @property
    def pid(self) -> int: ...


@dataclass(frozen=True)
class Outcome:
    """One run."""

    calls: int
    done: int
    "went as the scenario says, on both sides"
    retransmissions: int
    drops: int
    us_per_call: float
    setup_ms: tuple[float, float]
    "median and 99th percentile"

    @property
    def failed(self) -> int:
        return self.calls - self.done


class Load:
    """SIPp with its users and ports, for any number of runs."""

    def __init__(self, folder: Path, *, users: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._users = users
        self._callee_port, self._caller_port = free_port(), free_port()
        self._runs = 0
        self._csv = folder / "users.csv"
        half = users // 2
        rows = (
            f"{user(n)};{user((n + half) % users)};[authentication username={user(n)} password={PASSWORD}]"
            for n in range(users)
        )
        self._csv.write_text("SEQUENTIAL\n" + "\n".join(rows) + "\n")

    def register_all(self, subject: Subject, *, rate: int = 500) -> None:
        """Register every user at the port of the callee; this is not measured.

        Raises:
            PeerError: one could not be registered.
        """
        outcome = self.run("register", subject, rate=rate, calls=self._users)
        if outcome.failed:
            raise PeerError(f"{subject.name}: {outcome.failed} of {self._users} users are not registered")

    def run(self, scenario: str, subject: Subject, *, rate: int, calls: int) -> Outcome:
        """Make that many calls at that rate and wait for the last; see `start`."""
        with self.start(scenario, subject, rate=rate, calls=calls) as run:
            return run.finish()

    def start(
        self, scenario: str, subject: Subject, *, rate: int, calls: int, hold_ms: int = HOLD_MS
    ) -> "Run":
        """Begin to make calls.

        Args:
            scenario: invite, invite-auth, register or options.
            subject: the server.
            rate: new calls a second.
            calls: how many in all.
            hold_ms: from ACK to BYE; when it is longer than all the calls take to begin, all are up at once.
        """
        callee = None
        seconds = calls / rate + hold_ms / 1000 + DEADLINE
        if scenario.startswith("invite"):
            callee = self._sipp("callee", self._callee_port, hold_ms, ["-m", calls, "-deadcall_wait", 0])
        before = Usage.now(subject.pid, subject.port)
        caller = self._sipp(
            CALLERS[scenario],
            self._caller_port,
            hold_ms,
            [
                *("-m", calls, "-r", rate, "-l", rate * 15 + calls, "-inf", self._csv),
                *("-recv_timeout", 10000, "-timeout", f"{int(seconds)}s"),
                *("-trace_rtt", "-rtt_freq", 200, f"{HOST}:{subject.port}"),
            ],
        )
        return Run(subject, caller, callee, before, calls, seconds)

    def _sipp(self, scenario: str, port: int, hold_ms: int, more: list[object]) -> Process:
        self._runs += 1
        folder = self._folder / f"{self._runs:03d}-{scenario}"
        folder.mkdir()
        text = folder / "scenario.xml"
        values = {
            "domain": HOST,
            "hold_ms": hold_ms,
            "ring_ms": RING_MS,
            "contact_port": self._callee_port,
        }
        text.write_text(fill_in((SCENARIOS / f"{scenario}.xml").read_text(), values))
        program = find_program("sipp") or "sipp"
        return Process(
            [
                *(program, "-sf", text, "-i", HOST, "-mi", HOST, "-p", str(port), "-t", "u1", "-nostdin"),
                *("-buff_size", "2000000", "-max_recv_loops", "100", "-max_sched_loops", "1000"),
                *("-timer_resol", "2", "-trace_stat", "-fd", "1", "-stf", "statistics.csv"),
                *("-trace_err", "-error_file", "errors.log", *map(str, more)),
            ],
            folder,
            name="sipp",
            environment={"TERM": "xterm"},
        )


class Run:
    """Calls on their way; leaving its context ends whatever still runs."""

    def __init__(
        self,
        subject: Subject,
        caller: Process,
        callee: Process | None,
        before: Usage,
        calls: int,
        seconds: float,
    ) -> None:
        self._subject = subject
        self._caller, self._callee = caller, callee
        self._before = before
        self._calls = calls
        self._seconds = seconds

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *raised: object) -> None:
        self._caller.stop(1)
        if self._callee is not None:
            self._callee.stop(1)

    def finish(self) -> Outcome:
        """Wait until the last call is over and give what it all cost."""
        subject, before = self._subject, self._before
        self._caller.wait(self._seconds + 10)
        after = Usage.now(subject.pid, subject.port)
        if self._callee is not None:
            _wait_quietly(self._callee)
        sides = [_statistics(side) for side in (self._caller, self._callee) if side is not None]
        done = min(int(side.get("SuccessfulCall(C)", 0)) for side in sides)
        return Outcome(
            calls=self._calls,
            done=done,
            retransmissions=sum(int(side.get("Retransmissions(C)", 0)) for side in sides),
            drops=after.drops - before.drops,
            us_per_call=1e6 * (after.seconds - before.seconds) / max(1, done),
            setup_ms=_setup_times(self._caller),
        )


def _wait_quietly(callee: Process) -> None:
    """Give the callee time to see the last BYE; one that never comes is a failed call already."""
    try:
        callee.wait(3)
    except PeerError:
        callee.stop(1)


def _statistics(run: Process) -> dict[str, str]:
    path = run.log_path.with_name("statistics.csv")
    if not path.exists():
        raise PeerError(f"SIPp did not start\n{run.log()}")
    with path.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter=";") if row.get("TotalCallCreated")]
    return rows[-1] if rows else {}


def _setup_times(run: Process) -> tuple[float, float]:
    times: list[float] = []
    for path in run.log_path.parent.glob("*_rtt.csv"):
        for line in path.read_text().splitlines()[1:]:
            columns = line.split(";")
            if len(columns) >= 3 and columns[2].strip() == "setup":
                times.append(float(columns[1]))
    times.sort()
    if not times:
        return 0.0, 0.0
    return times[len(times) // 2], times[int(len(times) * 0.99)]
