"""The relay as the node's child: its settings come as one JSON argument, not as options for people."""

import json
import sys

from ._process import run

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    sys.exit(run(**{**settings, "ng": tuple(settings["ng"]), "ports": tuple(settings["ports"])}))
