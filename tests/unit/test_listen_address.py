"""The address and port that the page listens on."""

from __future__ import annotations

import socket

from comporta.runtime.settings import load_settings
from comporta.web.server import bind


def test_a_small_answer_is_sent_at_once() -> None:
    listening = bind(load_settings(admin_port=0))
    with listening, socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
