"""Peers that Comporta is measured beside, each a process of its own."""
