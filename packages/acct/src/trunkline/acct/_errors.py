"""What can go wrong in accounting.

Holds the package's exceptions and nothing else. Odd facts about a call (a BYE for a call nobody
knows, a second answer) are not errors: the ledger passes over them.
"""


class AcctError(Exception):
    """Root of every error raised by this package."""


class LocalProtocolError(AcctError):
    """Our caller broke a rule of this package, such as handing over a time without a zone."""


class RecordError(AcctError):
    """A stored record cannot be read back.

    `field` names the key at fault, so that the operator can find it in the journal; it is empty
    when the record as a whole is of the wrong kind.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field
