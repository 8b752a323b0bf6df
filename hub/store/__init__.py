"""The store: schema, the one writer, the change feed, and the reads of each area. Nothing outside sees a row object."""

from hub.store.changes import changes_after, changes_of_incident, feed, hash_at
from hub.store.writer import Recorded, Store, Transaction

__all__ = ["Recorded", "Store", "Transaction", "changes_after", "changes_of_incident", "feed", "hash_at"]
