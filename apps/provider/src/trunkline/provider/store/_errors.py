"""What can be wrong with a database, in one line that names the remedy.

Here: the exception and the wording. Which operation is tried again is the caller's decision.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "psycopg"),
    "mysql": ("mysql+pymysql", "pymysql"),
    "mariadb": ("mariadb+pymysql", "pymysql"),
}


class StoreError(Exception):
    """The database cannot do what was asked; the message is one line and names the remedy."""


def database_url(text: str) -> URL:
    """Read a database URL, with the driver that is used for it.

    Raises:
        StoreError: when it names no engine that is known, or an SQLite database without a file.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreError(
            "the database URL is not understood; write sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME, "
            "or mysql://USER:PASSWORD@HOST/NAME"
        ) from None
    if url.drivername in _DRIVERS:
        url = url.set(drivername=_DRIVERS[url.drivername][0])
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError("an SQLite database needs a file; write sqlite:///trunkline.db")
    return url


def sqlite_path(url: URL) -> Path | None:
    """Give the file of an SQLite URL, or None for another engine."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database)


def check_sqlite_file(path: Path, *, create: bool) -> None:
    """Find out what SQLite would only call "unable to open database file".

    Raises:
        StoreError: the folder is missing or closed, there is no such file, it is not a file, or not for us.
    """
    folder = path.parent
    if not folder.is_dir():
        if folder.exists():
            raise StoreError(
                f"{folder} is not a folder, so the database {path} cannot be in it; correct [database] url"
            )
        raise StoreError(
            f"the folder of the database {path} does not exist; create it: mkdir -p {folder.absolute()}"
        )
    if not path.exists():
        if not create:
            raise StoreError(f"there is no database {path.absolute()}; `trunkline run` creates it")
        if not _may(folder, os.W_OK | os.X_OK):
            raise StoreError(
                f"the database {path.absolute()} cannot be created: user {_user()} may not write in "
                f"{folder.absolute()}; give it the folder (chown) or put another path in [database] url"
            )
        return
    if path.is_dir():
        raise StoreError(f"the database {path} is a folder; name a file in [database] url")
    if not _may(path, os.R_OK):
        raise StoreError(f"the database {path} is not readable for user {_user()}; chown or chmod it")
    if not _may(path, os.W_OK):
        raise StoreError(f"the database {path} is read-only for user {_user()}; chown or chmod it")
    if not _may(folder, os.W_OK | os.X_OK):
        # SQLite writes its journal (-wal, -shm) beside the file.
        raise StoreError(
            f"the folder {folder.absolute()} of the database is read-only for user {_user()}, and SQLite "
            f"must write beside it; chown or chmod the folder"
        )


def explain(error: Exception, url: URL) -> str:
    """Put a database error into one line with its remedy."""
    path = sqlite_path(url)
    name = str(path) if path is not None else url.render_as_string(hide_password=True)
    if isinstance(error, NoSuchModuleError):
        return f"the database engine of {name} is not known; use sqlite, postgresql, mysql or mariadb"
    if isinstance(error, ImportError):
        drivers = dict(_DRIVERS.values())
        package = drivers.get(url.drivername, error.name)
        return f"the database {name} needs the Python package {package}; install it: pip install {package}"
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = " ".join(str(original).split()) or type(original).__name__
    if path is not None:
        low = text.lower()
        for words, remedy in _SQLITE_REMEDIES:
            if words in low:
                return remedy.format(path=path, folder=path.absolute().parent)
    if isinstance(error, SQLAlchemyError) and path is None:
        return (
            f"the database {name} does not answer as it should: {text}; see that it runs and takes this login"
        )
    return f"the database {name} failed: {text}"


_SQLITE_REMEDIES = (
    (
        "file is not a database",
        "{path} is not an SQLite database; name another file in [database] url, or move this one away",
    ),
    (
        "malformed",
        "the database {path} is damaged; restore a backup, or save what is left: sqlite3 {path} .recover",
    ),
    ("disk is full", "the disk of the database {path} is full; free some space in {folder}"),
    (
        "disk i/o error",
        "the disk of the database {path} fails on reading or writing (disk I/O error); see dmesg",
    ),
    ("readonly database", "the database {path} is read-only; chown or chmod it and its folder {folder}"),
    ("is locked", "the database {path} is locked by another program for too long; close that program"),
    ("unable to open", "the database {path} cannot be opened; see that {folder} exists and may be written"),
    ("no such table", "the database {path} lacks a table that it must have; restore a backup"),
)


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
