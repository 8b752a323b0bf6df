"""Notices leave the hub here: the outbox's worker and its channels. Never in a user's request, and no rule about whom lives here."""
