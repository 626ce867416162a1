"""A subscriber as the server knows them, and the hashes their password is kept as.

Here: the value and digest arithmetic. Reading and writing the table is in `_store` and `_provisioning`.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

_is_md5: Final = re.compile(r"[0-9a-f]{32}", re.ASCII).fullmatch
_is_sha: Final = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch
_BOTH_MD5: Final = 32
"Bytes of the two hashes by MD5, which come first."


@attrs.define
class Subscriber:
    """One row of table subscriber."""

    username: str
    domain: str
    """Also the realm that the hashes were made for."""
    password: str = attrs.field(default="", repr=False)
    """Plain text, as existing OpenSIPS databases may have it; normally empty."""
    email_address: str = ""
    ha1: str = attrs.field(default="", repr=False)
    """MD5 of username:domain:password."""
    ha1b: str = attrs.field(default="", repr=False)
    """MD5 of username@domain:domain:password, for phones that give the domain in the user name."""
    ha1_sha256: str = attrs.field(default="", repr=False)
    ha1_sha512t256: str = attrs.field(default="", repr=False)

    def ha1_for(self, algorithm: str = "MD5") -> str | None:
        """Give HA1 for an algorithm, or None when neither it nor the password is stored.

        Args:
            algorithm: MD5, SHA-256 or SHA-512-256, with or without -sess.
        """
        if algorithm == "MD5" and self.ha1:
            return self.ha1
        algorithm = algorithm.upper().removesuffix("-SESS")
        stored = {"MD5": self.ha1, "SHA-256": self.ha1_sha256, "SHA-512-256": self.ha1_sha512t256}
        if algorithm not in stored:
            return None
        if stored[algorithm]:
            return stored[algorithm]
        return _ha1(self.username, self.domain, self.password, algorithm) if self.password else None

    def ha1b_for(self, algorithm: str = "MD5") -> str | None:
        """Give HA1 for user names that carry the domain, or None when it cannot be known."""
        algorithm = algorithm.upper().removesuffix("-SESS")
        if algorithm == "MD5" and self.ha1b:
            return self.ha1b
        if not self.password or algorithm not in ("MD5", "SHA-256", "SHA-512-256"):
            return None
        return _ha1(f"{self.username}@{self.domain}", self.domain, self.password, algorithm)

    def packed(self) -> Subscriber | Hashes:
        """Give what verifies this subscriber's credentials in less memory, where it can be packed."""
        others = self.ha1_sha256, self.ha1_sha512t256
        if (
            self.password
            or not (_is_md5(self.ha1) and _is_md5(self.ha1b))
            or not (others == ("", "") or all(map(_is_sha, others)))
        ):
            return self
        return Hashes.fromhex("".join([self.ha1, self.ha1b, *others]))


class Hashes(bytes):
    """The hashes of a subscriber as bytes, ha1, ha1b and then either both by SHA or none.

    For those who are kept in memory: a quarter of what a `Subscriber` takes.
    """

    __slots__ = ()

    def ha1_for(self, algorithm: str = "MD5") -> str | None:
        """Give HA1 for an algorithm, as `Subscriber.ha1_for`."""
        if algorithm == "MD5":
            return self[:16].hex()
        algorithm = algorithm.upper().removesuffix("-SESS")
        if algorithm == "MD5":
            return self[:16].hex()
        if len(self) == _BOTH_MD5 or algorithm not in ("SHA-256", "SHA-512-256"):
            return None
        return self[32:64].hex() if algorithm == "SHA-256" else self[64:].hex()

    def ha1b_for(self, algorithm: str = "MD5") -> str | None:
        """Give HA1 for user names that carry the domain, as `Subscriber.ha1b_for`."""
        return self[16:32].hex() if algorithm.upper().removesuffix("-SESS") == "MD5" else None


def password_hashes(username: str, domain: str, password: str) -> dict[str, str]:
    """Give the columns that stand for a password; the password itself is not kept."""
    return {
        "password": "",
        "ha1": _ha1(username, domain, password, "MD5"),
        "ha1b": _ha1(f"{username}@{domain}", domain, password, "MD5"),
        "ha1_sha256": _ha1(username, domain, password, "SHA-256"),
        "ha1_sha512t256": _ha1(username, domain, password, "SHA-512-256"),
    }


def _ha1(username: str, realm: str, password: str, algorithm: str) -> str:
    # Listing users must not wait for the parser to be imported.
    from trunkline.sip_parser import ha1

    return ha1(username, realm, password, algorithm)
