"""Operator credentials: the operators file, tokens, sessions, and the local token of the link printed at start."""
