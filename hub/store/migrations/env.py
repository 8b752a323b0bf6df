"""How Alembic reaches the database: over the connection that the opener hands in."""

from alembic import context

from hub.store.schema import all_tables

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=all_tables())
with context.begin_transaction():
    context.run_migrations()
