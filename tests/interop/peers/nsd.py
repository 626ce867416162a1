"""NSD: a real name server on a high port, for the zones of one test."""

import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from .ports import HOST, free_port
from .process import Process, find_program, wait_until

_HEAD = """\
$ORIGIN {zone}.
$TTL {ttl}
@ SOA ns hostmaster ( {serial} 3600 600 86400 {ttl} )
@ NS ns
ns A 127.0.0.1
"""
_CONFIG = """\
server:
  server-count: 1
  ip-address: {host}@{port}
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  zonefiles-check: yes
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""


class Nsd:
    """A name server that is running.

    Args:
        folder: where its files go.
        zones: by name, the records beside SOA and NS, as in a zone file; a relative name is within the zone.
        ttl: of every record that does not say, and of negative answers.
    """

    def __init__(self, folder: Path, zones: Mapping[str, str], *, ttl: int = 60) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        self.ttl = ttl
        self._serial = 0
        self._labels = 0
        self._parts: dict[str, str] = {}
        config = _CONFIG.format(host=HOST, port=self.port, folder=folder)
        for zone, records in zones.items():
            self._write(zone, records)
            config += f'zone:\n  name: "{zone}"\n  zonefile: "{zone}.zone"\n'
        (folder / "nsd.conf").write_text(config)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = find_program("nsd") or "nsd"
        arguments = [program, "-d", "-c", self.folder / "nsd.conf"]
        self.process = Process(arguments, self.folder, name="nsd")
        wait_until("nsd", lambda: self._serial in map(self._serial_of, self._zones()), log=self.process.log)

    def change(self, zone: str, records: str) -> None:
        """Replace the records of a zone, and wait until the new ones are served."""
        self._write(zone, records)
        self.process.child.send_signal(signal.SIGHUP)
        wait_until("the zone", lambda: self._serial_of(zone) == self._serial, log=self.process.log)

    def add(self, zone: str, records: str) -> str:
        """Add a new domain within a zone, with names relative to it, and give its name."""
        self._labels += 1
        label = f"t{self._labels}"
        self._parts[label] = records
        self._rewrite(zone)
        return f"{label}.{zone}"

    def replace(self, domain: str, records: str) -> None:
        """Replace the records of a domain that was added."""
        label, _, zone = domain.partition(".")
        self._parts[label] = records
        self._rewrite(zone)

    def _rewrite(self, zone: str) -> None:
        parts = (f"$ORIGIN {label}.{zone}.\n{records.strip()}\n" for label, records in self._parts.items())
        self.change(zone, "".join(parts))

    def freeze(self) -> None:
        """Let it answer nothing any more, as a name server does that is out of reach."""
        for pid in self._pids():
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        for pid in self._pids():
            _signal(pid, signal.SIGCONT)

    def close(self) -> None:
        if self.process.running:
            self.thaw()
        self.process.stop(3)

    def _zones(self) -> list[str]:
        return [path.stem for path in self.folder.glob("*.zone")]

    def _write(self, zone: str, records: str) -> None:
        self._serial += 1
        text = _HEAD.format(zone=zone, ttl=self.ttl, serial=self._serial) + records.strip() + "\n"
        (self.folder / f"{zone}.zone").write_text(re.sub(r"(?m)^[ \t]+(?=\S+ )", "", text))

    def _serial_of(self, zone: str) -> int | None:
        query = dns.message.make_query(f"{zone}.", "SOA")
        try:
            answer = dns.query.udp(query, HOST, timeout=0.5, port=self.port)
        except (OSError, dns.exception.Timeout):
            return None
        if answer.rcode() != dns.rcode.NOERROR or not answer.answer:
            return None
        return int(answer.answer[0][0].serial)

    def _pids(self) -> list[int]:
        """Give the pids of the session it leads: itself and its children."""
        leader = self.process.pid
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader:
                found.append(int(path.parent.name))
        return found


def _signal(pid: int, number: signal.Signals) -> None:

    os.kill(pid, number)
