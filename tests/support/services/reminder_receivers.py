"""Receivers of reminders: an HTTP server for the webhook, and an SMTP server with or without TLS and a login."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.support.services.ports import HOST, free_port

__all__ = ["LOGIN", "MailServer", "WebhookReceiver", "running_mail_server", "running_webhook"]

LOGIN = ("ana", "hunter2/@")


@dataclass
class WebhookReceiver:
    """Requests as they came; `status` is the answer to the next ones."""

    url: str
    status: int = 204
    requests: list[tuple[Message, bytes]] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: WebhookReceiver


class _Request(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Keep the request and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.receiver.requests.append((self.headers, body))
        self.send_response(self.server.receiver.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def running_webhook() -> Iterator[WebhookReceiver]:
    """Run a receiver that ends with the block."""
    port = free_port()
    server = _Server((HOST, port), _Request)
    server.receiver = receiver = WebhookReceiver(f"http://{HOST}:{port}/hooks/hunter2")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="webhook", daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class MailServer:
    """Mails as they came; `answer` is what the server says to the next ones, unless it hangs up at a login."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.answer = "250 taken"
        self.hangs_up = False
        self.encrypted: list[bool] = []

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        """Keep a mail and answer."""
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
            self.recipients += envelope.rcpt_tos
            self.encrypted.append(session.ssl is not None)
        return self.answer


def _authenticate(server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    given = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode())
    if server.event_handler.hangs_up:
        server.transport.close()
        return AuthResult(success=False)
    # Unhandled: the server answers by itself, instead of leaving the client to wait for an answer.
    return AuthResult(success=given == LOGIN, handled=False)


class _Tls(Controller):
    """Server that expects TLS at once; the library's own first connection would take its certificate for a client's."""

    def _trigger_server(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((HOST, self.port), 5) as plain, context.wrap_socket(plain) as encrypted:
            encrypted.recv(1024)


@contextmanager
def running_mail_server(folder: Path, *, tls: str = "none", login: bool = False) -> Iterator[MailServer]:
    """Run a mail server that ends with the block; `tls` is none, starttls or implicit.

    The certificate of its authority is `ca.pem` in the folder.
    """
    port = free_port()
    server = MailServer(port)
    options: dict[str, Any] = {"hostname": HOST, "port": port}
    if tls != "none":
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(context)
        options |= {"tls_context": context} if tls == "starttls" else {"ssl_context": context}
    if login:
        options |= {"authenticator": _authenticate, "auth_required": True, "auth_require_tls": tls == "starttls"}
    controller = (_Tls if tls == "implicit" else Controller)(server, **options)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
