"""The history of the schema, for Alembic; `upgrade` and `downgrade` run it on an open connection."""

from trunkline.provider.store.migrations._running import downgrade, head, upgrade

__all__ = ["downgrade", "head", "upgrade"]
