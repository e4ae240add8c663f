"""Server certificates that are refused: the remedy, from what the TLS libraries say."""

from __future__ import annotations

import ssl

__all__ = ["certificate_remedy", "tls_fault"]

# Parts of the texts of OpenSSL and libpq; the latter does not tell an expired certificate from one that is unknown.
_REMEDIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("certificate has expired", "not yet valid"), "renew the server's certificate, or set this machine's clock"),
    (("not valid for", "mismatch", "does not match host name"), "name the server in the URL as its certificate does"),
    (("self-signed", "self signed", "local issuer"), "name the file with its authority's certificate in {authorities}"),
    (
        ("certificate verify failed",),
        "renew its certificate if it has expired, or name the file with its authority's certificate in {authorities}",
    ),
)


def certificate_remedy(fault: str, authorities: str = "SSL_CERT_FILE") -> str | None:
    """Return the remedy for a refused certificate, None for any other fault.

    `authorities` names what holds the certificates of the authorities that are trusted.
    """
    for parts, remedy in _REMEDIES:
        if any(part in fault for part in parts):
            return remedy.format(authorities=authorities)
    return None


def tls_fault(error: BaseException) -> str | None:
    """Return what is wrong with a server's certificate or its TLS, None for an error of another kind."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    return None
