"""How long and how hard properties are tried."""

from __future__ import annotations

from hypothesis import settings

# On a machine that others use too, a slow example says nothing about the program.
settings.register_profile("comporta", deadline=None, max_examples=100)
settings.load_profile("comporta")
