"""The command `trunkline`.

Here: commands, their words and their output. They ask the running server where they show what is live, and
read the database when it is down. Everything heavy is imported by the command that needs it.
"""

from trunkline.provider.cli._app import app, main

__all__ = ["app", "main"]
