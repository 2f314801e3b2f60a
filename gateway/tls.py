"""How the gateway shows who it is over TLS, to those who call it and to those who read its queues."""

from __future__ import annotations

import ssl
from pathlib import Path

from infra.settings import Settings


def tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS with a certificate chain and its key, both PEM. The certificate must name the hosts that clients ask for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0
    context.load_cert_chain(certificate, key)
    return context


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """As the settings say. Raises ValueError where they say half of it, OSError where a file cannot be read."""
    if settings.tls_certificate is None:
        return None
    if settings.tls_key is None:
        raise ValueError("FIKS_TLS_CERTIFICATE is set and FIKS_TLS_KEY is not: name the file with its key too")
    return tls(settings.tls_certificate, settings.tls_key)
