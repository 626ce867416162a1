"""What the kernel says a process tree has used: processor time and memory, from /proc.

Processor time is that of the root, its living descendants and the children they have waited for, in
ticks of the kernel's clock (10 ms as a rule): measure over at least a few tenths of a second.
"""

import os
from dataclasses import dataclass
from pathlib import Path

TICK = 1.0 / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[bytes]:
    """Give the fields of /proc/PID/stat that follow the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def tree(root: int) -> list[int]:
    """Give the pids of a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                parent = int(_fields(int(entry))[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def processor_seconds(root: int) -> float:
    """Give user and system time of a process tree."""
    ticks = 0
    for pid in tree(root):
        try:
            ticks += sum(map(int, _fields(pid)[11:15]))
        except OSError:
            continue
    return ticks * TICK


def memory_kb(root: int) -> int:
    """Give the proportional set size of a process tree: pages that processes share are counted once.

    Pages that can be read from a file again are left out: programs and libraries. Their share changes by
    megabytes when anybody else starts or ends a program of the same kind.
    """
    total = 0
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return total


def dropped_datagrams(port: int) -> int:
    """Give how many datagrams the kernel threw away because the socket on that port was full."""
    dropped = 0
    for name in ("udp", "udp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if int(columns[1].rpartition(":")[2], 16) == port:
                dropped += int(columns[-1])
    return dropped


@dataclass(frozen=True)
class Usage:
    """What one tree has used at one moment."""

    seconds: float
    drops: int

    @classmethod
    def now(cls, pid: int, port: int) -> "Usage":
        return cls(processor_seconds(pid), dropped_datagrams(port))
