"""Faults of a PostgreSQL server that its administrator mends: by SQLSTATE, and by text where no connection comes about.

The driver passes on no SQLSTATE of a refused connection. Its text is the server's, in English or Portuguese.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["MOST_CONNECTIONS", "READ_ONLY", "ServerFault", "connection_way_out", "server_fault"]

READ_ONLY = "25006"
# Connections that the pool of one process opens at most.
MOST_CONNECTIONS = 12


class ServerFault(NamedTuple):
    """A fault in a sentence, and the way out of it."""

    sentence: str
    way_out: str


_ROOM = (
    f"raise max_connections or the role's CONNECTION LIMIT, or end other connections: a process of Comporta opens up "
    f"to {MOST_CONNECTIONS}"
)
_LOGIN = (
    "give the role's present password: the file that COMPORTA_DATABASE_PASSWORD_FILE names is read again at each "
    "connection, any other source at a restart"
)
_WRITABLE = (
    "name every host in COMPORTA_DATABASE_URL, so that the one that can be written to is found, or switch "
    "default_transaction_read_only off"
)
# PostgreSQL manual, appendix A.
_BY_STATE = {
    READ_ONLY: ServerFault("the database may only be read (a standby, or default_transaction_read_only)", _WRITABLE),
    "53300": ServerFault("the database takes no more connections", _ROOM),
    "57014": ServerFault(
        "a statement was cancelled, by statement_timeout or by the database's administrator",
        "give Comporta's role a statement_timeout of 20 s, which each direct connection sets by itself",
    ),
    "25P03": ServerFault(
        "a transaction was ended by idle_in_transaction_session_timeout",
        "give Comporta's role 5 s, which each direct connection sets by itself",
    ),
    "25P04": ServerFault(
        "a transaction was ended by transaction_timeout", "give Comporta's role a transaction_timeout of 0 or 60 s"
    ),
    "57P01": ServerFault("the database's administrator has ended the connection", "the next attempt opens another"),
    "57P05": ServerFault(
        "the connection was ended by idle_session_timeout", "give Comporta's role an idle_session_timeout of 0"
    ),
}
_BY_TEXT = (
    (re.compile(r"too many (clients|connections)|connection slots|muitos clientes|muitas conexões"), _ROOM),
    (re.compile(r"password authentication failed|no password supplied|autenticação .*falhou|nenhuma senha"), _LOGIN),
    (re.compile(r"session is read-only|server is in hot standby mode"), _WRITABLE),
    (
        re.compile(r"is not permitted to log in|is not currently accepting connections"),
        "let the database's administrator allow the login (ALTER ROLE … LOGIN, ALTER DATABASE … ALLOW_CONNECTIONS)",
    ),
    (
        re.compile(r"pg_hba\.conf"),
        "let the database's administrator add this machine, role and database to pg_hba.conf",
    ),
    (
        re.compile(r"is (starting up|shutting down|in recovery mode)|not yet accepting connections"),
        "the next attempts wait for it",
    ),
)


def server_fault(state: str) -> ServerFault | None:
    """Return the fault with this SQLSTATE, if it is one that the server's administrator mends."""
    return _BY_STATE.get(state)


def connection_way_out(text: str) -> str:
    """Return the way out of a connection that was refused with this text, empty where the text alone must do."""
    return next((way_out for pattern, way_out in _BY_TEXT if pattern.search(text)), "")
