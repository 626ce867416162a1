"""A baresip phone without a sound card: speaks a tone, records what it hears, is driven over TCP.

One `Phone` is one process with one account. Its control port speaks netstrings of JSON; what it
reports (registered, ringing, established, closed) is kept in `events` and waited for with a deadline.
"""

import json
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .ports import HOST, free_port, free_ports
from .process import PeerError, Process, find_program, wait_until
from .tone import Recording, write_tone

_MODULES = ("/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules")
_CONFIG = """\
poll_method epoll
sip_listen {host}:{sip_port}
sip_trans_def {transport}
net_interface {interface}
call_local_timeout 120
call_max_calls 4
audio_player aubridge,{name}
audio_source aufile,{tone}
audio_alert aubridge,{name}-alert
ausrc_srate 8000
auplay_srate 8000
audio_level no
rtp_ports {rtp_port}-{rtp_last}
rtp_stats no
jitter_buffer_delay 2-10
module_path {modules}
module stdio.so
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app ctrl_tcp.so
module_app menu.so
ctrl_tcp_listen {control_host}:{control_port}
snd_path {recordings}
"""


@dataclass(frozen=True)
class Event:
    """One report of the phone."""

    kind: str
    "REGISTER_OK, CALL_INCOMING, CALL_RINGING, CALL_ESTABLISHED, CALL_CLOSED, ..."

    text: str
    "what it adds: a reason, a status line, a peer"

    at: float
    "monotonic seconds at which it was read"

    fields: dict[str, Any] = field(default_factory=dict, repr=False)


class Phone:
    """A phone that is running; `close()` stops it.

    Args:
        folder: an empty folder of its own.
        user: user part of its address of record.
        domain: host part.
        password: what it answers challenges with.
        proxy: HOST:PORT to send everything to.
        transport: `udp`, `tcp` or `tls`.
        answer: `auto` or `manual`.
        tone: what it speaks, in Hz.
        register_seconds: how long it registers for.
        auth_user: name in its credentials, when not `user`.
        host: its own address, IPv4 or IPv6 without brackets.
        authority: PEM file of the authorities it believes, for `tls`.
        certificate: PEM file with its own certificate and key, for `tls`.
        scheme: `sip` or `sips`, of its outbound proxy.
        account: more parameters of baresip's account, each with its `;`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        user: str,
        domain: str,
        password: str,
        proxy: str,
        transport: str = "udp",
        answer: str = "manual",
        tone: float = 440.0,
        register_seconds: int = 300,
        auth_user: str | None = None,
        host: str = HOST,
        authority: Path | None = None,
        certificate: Path | None = None,
        scheme: str = "sip",
        account: str = "",
    ) -> None:
        self.user, self.domain = user, domain
        self.folder = folder
        self.events: list[Event] = []
        self._seen = 0
        self._buffer = b""
        self._recordings = folder / "heard"
        self._recordings.mkdir(parents=True)
        self.sip_port = free_ports(2)
        self.rtp_port = free_ports(20)
        control_port = free_port()
        write_tone(folder / "tone.wav", tone, seconds=60)
        (folder / "accounts").write_text("")
        shown = f"[{host}]" if ":" in host else host
        tls = "".join(
            f"{key} {path}\n"
            for key, path in (("sip_cafile", authority), ("sip_certificate", certificate))
            if path is not None
        )
        (folder / "config").write_text(
            tls
            + _CONFIG.format(
                host=shown,
                interface=host,
                control_host=HOST,
                sip_port=self.sip_port,
                transport=transport,
                name=user,
                tone=folder / "tone.wav",
                rtp_port=self.rtp_port,
                rtp_last=self.rtp_port + 19,
                modules=_modules(),
                control_port=control_port,
                recordings=self._recordings,
            )
        )
        program = find_program("baresip") or "baresip"
        family = "-6" if ":" in host else "-4"
        self.process = Process([program, family, "-s", "-v", "-f", folder], folder, name=f"baresip-{user}")
        try:
            self._control = self._connect(control_port)
            self.command(
                "uanew",
                f"<sip:{user}@{domain};transport={transport}>;"
                f"auth_user={auth_user or user};auth_pass={password};"
                f'outbound="{scheme}:{proxy};transport={transport}";regint={register_seconds};'
                f"answermode={answer};audio_codecs=PCMA,PCMU{account}",
            )
        except BaseException:
            self.process.kill()
            raise

    @property
    def address(self) -> str:
        """Give its address of record as a SIP URI."""
        return f"sip:{self.user}@{self.domain}"

    def command(self, name: str, parameters: str = "") -> None:
        """Send a command of baresip's menu.

        Raises:
            PeerError: the phone has gone.
        """
        text = json.dumps({"command": name, "params": parameters}).encode()
        try:
            self._control.sendall(b"%d:%s," % (len(text), text))
        except OSError as error:
            raise PeerError(f"{self.user}: {error}\n{self.process.log()}") from None

    def dial(self, target: str) -> None:
        self.command("dial", target)

    def accept(self) -> None:
        self.command("accept")

    def hang_up(self) -> None:
        """End the call: BYE when it is up, CANCEL when it rings out, 486 when it rings in."""
        self.command("hangup")

    def wait_for(self, *kinds: str, seconds: float = 10.0) -> Event:
        """Wait for the next report of one of these kinds, passing over others; each is given once.

        Raises:
            PeerError: none came in time; the message holds what did come and the phone's log.
        """
        deadline = time.monotonic() + seconds
        while True:
            while self._seen < len(self.events):
                event = self.events[self._seen]
                self._seen += 1
                if event.kind in kinds:
                    return event
            left = deadline - time.monotonic()
            if left <= 0:
                came = ", ".join(f"{event.kind} ({event.text})" for event in self.events)
                raise PeerError(
                    f"{self.user}: no {' or '.join(kinds)} within {seconds} s; came: {came or 'nothing'}\n"
                    f"{self.process.log()}"
                )
            self._read(left)

    def collect(self, seconds: float) -> list[Event]:
        """Read on for that many seconds and give everything the phone has ever reported."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)
        return self.events

    def recording(self) -> Recording:
        """Give what was heard in the last call; the file is whole once the call has closed."""
        found = wait_until(
            f"{self.user}: recording",
            lambda: sorted(self._recordings.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime),
            seconds=3,
            log=self.process.log,
        )
        return Recording.read(found[-1])

    def kill(self) -> None:
        """End it at once, without taking its registration back."""
        self._control.close()
        self.process.kill()

    def close(self) -> None:
        """Stop the phone; it takes its registration back."""
        self._control.close()
        self.process.stop()

    def _connect(self, port: int) -> socket.socket:
        def attempt() -> socket.socket | None:
            if not self.process.running:
                raise PeerError(f"{self.user}: baresip has ended\n{self.process.log()}")
            try:
                return socket.create_connection((HOST, port), timeout=2)
            except OSError:
                return None

        return wait_until(f"{self.user}: control port", attempt, log=self.process.log)

    def _read(self, seconds: float) -> None:
        self._control.settimeout(max(0.001, seconds))
        try:
            received = self._control.recv(65536)
        except TimeoutError:
            return
        if not received:
            raise PeerError(f"{self.user}: the phone closed its control port\n{self.process.log()}")
        self._buffer += received
        while b":" in self._buffer:
            size, _, rest = self._buffer.partition(b":")
            length = int(size)
            if len(rest) <= length:
                return
            message = json.loads(rest[:length])
            self._buffer = rest[length + 1 :]
            if message.get("event"):
                self.events.append(
                    Event(message.get("type", ""), message.get("param", ""), time.monotonic(), message)
                )


def _modules() -> str:
    for folder in _MODULES:
        if Path(folder).is_dir():
            return folder
    raise PeerError(f"baresip's modules are in none of {', '.join(_MODULES)}")
