"""Digest authentication, the server's side (RFC 3261 §22, RFC 7616, RFC 8760)."""

from ._challenge import consume_credentials, find_credentials
from ._nonces import Nonces, NonceVerdict
from ._verify import Authenticator, Verdict

__all__ = [
    "Authenticator",
    "NonceVerdict",
    "Nonces",
    "Verdict",
    "consume_credentials",
    "find_credentials",
]
