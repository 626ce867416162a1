"""What people edit and look at: subscribers, domains, call records; by SQLModel, not for hot paths.

Here: one function per deed, in the session it is given; `Store` opens and commits it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, or_
from sqlmodel import Session, col, select

from trunkline.provider.store._errors import StoreError
from trunkline.provider.store._subscribers import password_hashes
from trunkline.provider.store.models import CdrRow, DomainRow, LocationRow, SecretRow, SubscriberRow

# RFC 3261 §25.1 user, without escapes: what can be dialled and typed.
_USERNAME = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/]{1,64}\Z")


def add_subscriber(session: Session, username: str, domain: str, password: str, email: str) -> None:
    """Add a row to table subscriber."""
    if not _USERNAME.match(username):
        raise StoreError(
            f"{username!r} cannot be a user name; write at most 64 letters, digits and any of "
            f"-_.!~*'()&=+$,;?/"
        )
    if not domain or len(domain) > 64:
        raise StoreError(f"{domain!r} cannot be the domain of a user; write 1 to 64 characters")
    if len(email) > 64:
        raise StoreError("the e-mail address is too long; write at most 64 characters")
    _check_password(password)
    if _find(session, username, domain) is not None:
        raise StoreError(
            f"there is a user {username}@{domain} already; change the password with "
            f"`trunkline user passwd {username}@{domain}`"
        )
    row = SubscriberRow(username=username, domain=domain, email_address=email)
    _set_hashes(row, password)
    session.add(row)


def set_password(session: Session, username: str, domain: str, password: str) -> None:
    """Replace the hashes of a subscriber."""
    _check_password(password)
    row = _existing(session, username, domain)
    _set_hashes(row, password)
    session.add(row)


def remove_subscriber(session: Session, username: str, domain: str) -> None:
    """Remove a subscriber and their registrations."""
    session.delete(_existing(session, username, domain))
    session.exec(
        delete(LocationRow).where(col(LocationRow.username) == username, col(LocationRow.domain) == domain)
    )


def add_domain(session: Session, domain: str) -> None:
    """Add a row to table domain."""
    if len(domain) > 64:
        raise StoreError(f"the domain {domain} is too long; write at most 64 characters")
    if session.exec(select(DomainRow).where(DomainRow.domain == domain)).first() is not None:
        raise StoreError(f"there is a domain {domain} already; `trunkline domain list` shows them")
    session.add(DomainRow(domain=domain))


def remove_domain(session: Session, domain: str) -> None:
    """Remove a row from table domain."""
    row = session.exec(select(DomainRow).where(DomainRow.domain == domain)).first()
    if row is None:
        raise StoreError(f"there is no domain {domain} in the database; `trunkline domain list` shows them")
    session.delete(row)


def cdrs(session: Session, limit: int, since: datetime | None, user: str | None) -> list[CdrRow]:
    """List call detail records, the newest first."""
    statement = select(CdrRow)
    if since is not None:
        statement = statement.where(col(CdrRow.call_start_time) >= since.astimezone(UTC).replace(tzinfo=None))
    if user is not None:
        name = user.removeprefix("sip:")
        wanted = [name, f"sip:{name}"]
        parties = (col(CdrRow.caller), col(CdrRow.callee))
        conditions: list[ColumnElement[bool]] = [party.in_(wanted) for party in parties]
        if "@" not in name:
            for start in wanted:
                conditions += [party.startswith(f"{start}@", autoescape=True) for party in parties]
        statement = statement.where(or_(*conditions))
    order = (col(CdrRow.call_start_time).desc(), col(CdrRow.cdr_id).desc())
    return list(session.exec(statement.order_by(*order).limit(limit)))


def _check_password(password: str) -> None:
    if not password:
        raise StoreError("an empty password lets everybody in; give one, or leave it out to have one made")


def _set_hashes(row: SubscriberRow, password: str) -> None:
    for name, value in password_hashes(row.username, row.domain, password).items():
        setattr(row, name, value)


def _find(session: Session, username: str, domain: str) -> SubscriberRow | None:
    return session.exec(
        select(SubscriberRow).where(SubscriberRow.username == username, SubscriberRow.domain == domain)
    ).first()


def _existing(session: Session, username: str, domain: str) -> SubscriberRow:
    row = _find(session, username, domain)
    if row is None:
        raise StoreError(f"there is no user {username}@{domain}; `trunkline user list` shows them")
    return row


def keep_secret(session: Session, name: str, value: bytes) -> bytes:
    """Give the secret of that name, which is `value` from now on where there is none yet."""
    row = session.get(SecretRow, name)
    if row is None:
        row = SecretRow(name=name, value=value.hex())
        session.add(row)
    return bytes.fromhex(row.value)
