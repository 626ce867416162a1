"""What Alembic runs: our schema against the connection that `_running` hands over."""

from alembic import context

from trunkline.provider.store.models import Table

context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata)
with context.begin_transaction():
    context.run_migrations()
