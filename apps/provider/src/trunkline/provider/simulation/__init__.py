"""The whole provider in simulated time and a simulated network: thousands of calls with loss, crashes and
refusals, each run replayed exactly from its seed.

What is real: the stack with every layer under it, the policy, the ledger, group commit, the media relay and
its control protocol, and the phones' transaction layer, dialogs and digest. What is simulated: clocks,
links, disks and the people. It is a part of the provider and not of its tests, because who writes a policy,
or is sent the capture of a call that went wrong, wants to run it too.

`python -m trunkline.provider.simulation` is the command.
"""

from ._agenda import EPOCH, Agenda
from ._capture import Capture, CaptureError, Datagram, read_capture, write_capture
from ._command import datagrams_at, main
from ._network import Link, Network
from ._planted import PLANTED
from ._replay import Replayed, replay
from ._run import Outcome, run
from ._scenario import Scenario, draw, settings_for
from ._soak import soak
from ._world import World

__all__ = [
    "EPOCH",
    "PLANTED",
    "Agenda",
    "Capture",
    "CaptureError",
    "Datagram",
    "Link",
    "Network",
    "Outcome",
    "Replayed",
    "Scenario",
    "World",
    "datagrams_at",
    "draw",
    "main",
    "read_capture",
    "replay",
    "run",
    "settings_for",
    "soak",
    "write_capture",
]
