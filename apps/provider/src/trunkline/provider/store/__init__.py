"""Everything that outlives the process: subscribers, domains, registrations, accounting, calls in progress.

Here: the tables, and reading and writing them. Not here: what is cached, and when a write is due. The hot
statements need SQLAlchemy Core only; the models and the migrations, which cost as much to import as the rest
together, are imported when a person edits or the schema changes.
"""

from trunkline.provider.store._account import Account
from trunkline.provider.store._batch import Batch, Refused
from trunkline.provider.store._errors import StoreError
from trunkline.provider.store._opening import check_database
from trunkline.provider.store._store import Store
from trunkline.provider.store._subscribers import Hashes, Subscriber
from trunkline.provider.store.administrators import ensure_administrator, verify_administrator

__all__ = [
    "Account",
    "Batch",
    "Hashes",
    "Refused",
    "Store",
    "StoreError",
    "Subscriber",
    "check_database",
    "ensure_administrator",
    "verify_administrator",
]
