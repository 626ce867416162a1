"""SIPp running one scenario of this folder's `scenarios/`, where `{name}` stands for a value.

A run that fails is shown with SIPp's own errors and every message that went over the wire.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from .ports import HOST, free_port
from .process import PeerError, Process, find_program

SCENARIOS = Path(__file__).parents[1] / "scenarios"


class Sipp:
    """One SIPp process; it is running when the object is there.

    Args:
        folder: where its files go.
        scenario: name of a scenario, without `.xml`.
        xml: the scenario itself, when it is no file of that folder.
        target: HOST:PORT it calls; None when it waits for calls.
        values: what `{name}` in the scenario stands for; the callee's domain is the caller's, and the host
            in a Contact its own address, unless said otherwise.
        auth_uri: what its credentials are made for; its request's own URI when None, and when empty
            HOST:PORT of the target, as SIPp does by itself.
        transport: `udp` or `tcp`.
        port: its own port; a free one when None.
        calls: how many calls to make or to take.
        seconds: how long the whole run may take.
        host: its own address, IPv4 or IPv6 without brackets.
    """

    _count = 0

    def __init__(
        self,
        folder: Path,
        scenario: str,
        *,
        xml: str | None = None,
        target: str | None = None,
        values: Mapping[str, object] | None = None,
        auth_uri: str | None = None,
        transport: str = "udp",
        port: int | None = None,
        calls: int = 1,
        seconds: float = 20.0,
        host: str = HOST,
    ) -> None:
        Sipp._count += 1
        self.name = f"sipp-{scenario}-{Sipp._count}"
        self.port = port or free_port()
        self.seconds = seconds
        self._errors = folder / f"{self.name}.errors"
        self._messages = folder / f"{self.name}.messages"
        if values is not None:
            values = {"callee_domain": values.get("domain", ""), "contact_host": "[local_ip]", **values}
        text = folder / f"{self.name}.xml"
        text.write_text(fill_in(xml or (SCENARIOS / f"{scenario}.xml").read_text(), values or {}))
        program = find_program("sipp") or "sipp"
        arguments = [
            *(program, "-sf", text, "-i", host, "-mi", host, "-p", str(self.port)),
            *("-t", "u1" if transport == "udp" else "t1", "-m", str(calls), "-nostdin"),
            *("-recv_timeout", str(int(seconds * 1000)), "-timeout", f"{int(seconds) + 1}s"),
            *("-trace_err", "-error_file", self._errors, "-trace_msg", "-message_file", self._messages),
            *("-max_socket", "100", "-deadcall_wait", "0"),
        ]
        if auth_uri is None and values:
            auth_uri = "@".join(str(values[name]) for name in ("callee", "callee_domain") if name in values)
        if auth_uri:
            arguments += ["-auth_uri", auth_uri]
        if target:
            arguments.append(target)
        self.process = Process(arguments, folder, name=self.name, environment={"TERM": "xterm"})

    def wait(self) -> None:
        """Wait until all calls are over.

        Raises:
            PeerError: a call did not go as the scenario says; the message shows why.
        """
        code = self.process.wait(self.seconds + 5)
        if code != 0:
            raise PeerError(f"{self.name} gave {code}\n{self.log()}")

    def log(self) -> str:
        """Give SIPp's errors and the messages it sent and received."""
        parts = [f"--- {self.name} on port {self.port}"]
        for path in (self._errors, self._messages):
            if path.exists():
                parts.append(path.read_text(errors="replace")[-8000:])
        return "\n".join(parts)

    def messages(self) -> str:
        """Give every message that went over the wire, as SIPp wrote them down."""
        return self._messages.read_text(errors="replace") if self._messages.exists() else ""

    def close(self) -> None:
        self.process.stop(2)


def fill_in(text: str, values: Mapping[str, object]) -> str:
    """Put values in the place of their `{name}`.

    Raises:
        PeerError: the scenario needs one that is not there.
    """
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    missing = re.findall(r"\{([a-z_]+)\}", text)
    if missing:
        raise PeerError(f"the scenario needs {', '.join(sorted(set(missing)))}")
    return text
