"""Those who may run the service: the first one is made here, and passwords are checked.

Hashes are argon2id; the library is imported when one is made or checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trunkline.provider.store._store import Store

if TYPE_CHECKING:
    from sqlmodel import Session

# Without 0/O, 1/l/I: it is read from a screen and typed.
_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def generate_password(token: Callable[[int], bytes], length: int = 16) -> str:
    """Make a password.

    Args:
        token: randomness, as `secrets.token_bytes`.
        length: characters; each is worth 5.8 bits.
    """
    password = ""
    while len(password) < length:
        # Bytes beyond the last whole multiple are thrown away, so that no letter is likelier than others.
        password += "".join(
            _LETTERS[byte % len(_LETTERS)] for byte in token(length) if byte < 256 - 256 % len(_LETTERS)
        )
    return password[:length]


def ensure_administrator(store: Store, *, token: Callable[[int], bytes]) -> tuple[str, str] | None:
    """Make the administrator `admin` when there is none.

    Args:
        store: an open store.
        token: randomness, as `secrets.token_bytes`.

    Returns:
        name and password, to be shown once; None when there was an administrator.

    Raises:
        StoreError: when the database fails.
    """
    # Nearly always there is one: that must not cost the import of the models at each start.
    if store.has_administrator():
        return None
    from sqlmodel import select

    from trunkline.provider.store.models import Administrator

    def make(session: Session) -> tuple[str, str] | None:
        if session.exec(select(Administrator)).first() is not None:
            return None
        from argon2 import PasswordHasher

        password = generate_password(token)
        session.add(Administrator(name="admin", password_hash=PasswordHasher().hash(password)))
        return "admin", password

    return store.edit(make)


def verify_administrator(store: Store, name: str, password: str) -> bool:
    """Tell whether this is an administrator's name and password.

    Raises:
        StoreError: when the database fails.
    """
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError
    from sqlmodel import select

    from trunkline.provider.store.models import Administrator

    named = select(Administrator).where(Administrator.name == name)
    row = store.edit(lambda session: session.exec(named).first())
    if row is None:
        # An unknown name takes as long as a wrong password.
        PasswordHasher().hash(password)
        return False
    try:
        return PasswordHasher().verify(row.password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
