"""A linphone without a sound card: the console program linphonec, driven by its standard input.

It plays a WAV file in place of a microphone and records what it hears into another. What it prints is
kept in its log and waited for with a deadline.
"""

import contextlib
import re
import time
from pathlib import Path

from .ports import free_port, free_ports
from .process import PeerError, Process, find_program, wait_until
from .tone import Recording, write_tone

_CODECS = ("PCMU", "PCMA")
_CONFIG = """\
[sip]
sip_port={sip_port}
sip_tcp_port={tcp_port}
sip_tls_port=0
use_ipv6=0
register_only_when_network_is_up=0
default_proxy=0
inc_timeout=60
[rtp]
audio_rtp_port={rtp_port}
[video]
enabled=0
capture=0
display=0
[sound]
echocancellation=0
[auth_info_0]
username={user}
passwd={password}
[proxy_0]
reg_proxy=<sip:{proxy};transport={transport}>
reg_route=<sip:{proxy};transport={transport};lr>
reg_identity=sip:{user}@{domain}
reg_expires={register_seconds}
reg_sendregister=1
publish=0
"""


class Linphone:
    """A phone that is running and has set out to register; `close()` stops it.

    Args:
        folder: an empty folder of its own; its home too.
        user: user part of its address of record.
        domain: host part.
        password: what it answers challenges with.
        proxy: HOST:PORT to send everything to.
        transport: `udp` or `tcp`.
        answer: `auto` or `manual`.
        tone: what it speaks, in Hz.
        register_seconds: how long it registers for.
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
    ) -> None:
        self.user, self.domain = user, domain
        self._heard = folder / "heard.wav"
        self._wire = folder / "wire.log"
        self._seen = 0
        self.rtp_port = free_ports(2)
        write_tone(folder / "tone.wav", tone, seconds=60)
        (folder / ".local/share/linphone").mkdir(parents=True)  # it makes none itself, and wants its database
        config = _CONFIG.format(
            sip_port=free_port(),
            tcp_port=free_port() if transport == "tcp" else 0,
            rtp_port=self.rtp_port,
            user=user,
            password=password,
            domain=domain,
            proxy=proxy,
            transport=transport,
            register_seconds=register_seconds,
        )
        for number, codec in enumerate(_CODECS):
            config += f"[audio_codec_{number}]\nmime={codec}\nrate=8000\nchannels=1\nenabled=1\n"
        (folder / "linphonerc").write_text(config)
        program = find_program("linphonec") or "linphonec"
        arguments = [program, "-c", folder / "linphonerc", "-d", "6", "-l", self._wire, "-S"]
        self.process = Process(
            [*arguments, "-a"] if answer == "auto" else arguments,
            folder,
            name=f"linphone-{user}",
            environment={"HOME": str(folder), "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None},
            driven=True,
        )
        for line in ("soundcard use files", f"play {folder / 'tone.wav'}", f"record {self._heard}"):
            self.command(line)

    @property
    def address(self) -> str:
        """Give its address of record as a SIP URI."""
        return f"sip:{self.user}@{self.domain}"

    def command(self, line: str) -> None:
        """Send a line to its console.

        Raises:
            PeerError: the phone has gone.
        """
        assert self.process.child.stdin is not None
        try:
            self.process.child.stdin.write(line.encode() + b"\n")
            self.process.child.stdin.flush()
        except OSError as error:
            raise PeerError(f"{self.user}: {error}\n{self.process.log()}") from None

    def wait_registered(self, seconds: float = 10.0) -> bool:
        """Wait for the outcome of its registration, and tell whether it is registered."""
        outcome = re.compile(r"moving from state \[\w+\] to \[LinphoneRegistration(Ok|Failed)\]")
        found = wait_until(
            f"{self.user}: registration",
            lambda: outcome.findall(self.wire()),
            seconds=seconds,
            log=self.process.log,
        )
        return bool(found[-1] == "Ok")

    def dial(self, target: str) -> None:
        self.command(f"call {target}")

    def accept(self) -> None:
        self.command("answer")

    def hang_up(self) -> None:
        """End the call: BYE when it is up, CANCEL when it rings out, 603 when it rings in."""
        self.command("terminate")

    def wait_for(self, pattern: str, seconds: float = 10.0) -> str:
        """Wait until it prints a line that matches, passing over others; each line is looked at once.

        Raises:
            PeerError: none came in time; the message holds the phone's log.
        """
        deadline = time.monotonic() + seconds
        while True:
            lines = self.process.log_path.read_text(errors="replace").split("\n")
            while self._seen < len(lines) - 1:
                line = lines[self._seen]
                self._seen += 1
                if re.search(pattern, line):
                    return line
            if time.monotonic() > deadline:
                raise PeerError(f"{self.user}: no {pattern!r} within {seconds} s\n{self.process.log()}")
            time.sleep(0.02)

    def recording(self) -> Recording:
        """Give what was heard in all calls, one after the other; it is whole once the last has closed."""
        return Recording.read(self._heard)

    def wire(self) -> str:
        """Give its trace, which holds every SIP message."""
        return self._wire.read_text(errors="replace") if self._wire.exists() else ""

    def close(self) -> None:
        """Stop the phone; it takes its registration back."""
        if self.process.running:
            with contextlib.suppress(PeerError):
                self.command("quit")
                self.process.wait(3)
        self.process.stop()
