"""The schema, one file per family of tables: names and columns are OpenSIPS 1.6's, ours stand beside them.

Used by a person's reads and writes and by the migrations. What the server itself does per message goes
through `_statements`.
"""

from trunkline.provider.store.models.accounting import Acc, CdrRow, MissedCall
from trunkline.provider.store.models.administration import Administrator
from trunkline.provider.store.models.base import TABLE_VERSIONS, Table, TableVersion
from trunkline.provider.store.models.calls import LiveCall
from trunkline.provider.store.models.location import LocationRow
from trunkline.provider.store.models.secrets import SecretRow
from trunkline.provider.store.models.subscribers import DomainRow, SubscriberRow

__all__ = [
    "TABLE_VERSIONS",
    "Acc",
    "Administrator",
    "CdrRow",
    "DomainRow",
    "LiveCall",
    "LocationRow",
    "MissedCall",
    "SecretRow",
    "SubscriberRow",
    "Table",
    "TableVersion",
]
