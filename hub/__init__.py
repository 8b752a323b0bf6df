"""The service of Tocsin. Read `hub/flow.py` first."""

__version__ = "0.1.0"
