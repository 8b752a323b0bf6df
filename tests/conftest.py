"""Fixtures that every test may use: both databases, and a clock that moves only when told to."""

from tests.support.stores import clock, postgres_server, store, store_url

__all__ = ["clock", "postgres_server", "store", "store_url"]
