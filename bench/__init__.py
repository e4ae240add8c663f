"""Measures Comporta beside a bare loop and the usual way, on real events and private servers: `python -m bench`."""
