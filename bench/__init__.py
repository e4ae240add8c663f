"""Benchmarks of Comporta beside a bare loop and the usual ways, on real events and private servers."""
