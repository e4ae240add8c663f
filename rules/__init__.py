"""Decisions as pure functions; time and state are passed in."""
