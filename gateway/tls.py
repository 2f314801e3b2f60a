"""How the gateway shows who it is over TLS, to those who call it and to those who read its queues."""

from __future__ import annotations

import ssl
from pathlib import Path

from infra.settings import Settings, WrongSetting

HANDSHAKE = 10.0
"""Seconds in which a client must have shaken hands."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Where AMQP is served without TLS, for tests."""


def tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS with a certificate chain and its key, both PEM. The certificate must name the hosts that clients ask for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0  # clients stay connected for long, and a ticket counts only at the process that made it
    context.load_cert_chain(certificate, key)
    return context


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """That of the ports that want it; None where there is no such port, or no certificate. Raises WrongSetting."""
    if settings.gateway_tls_port is None and settings.amqp_port is None:
        return None
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None:
        if settings.gateway_tls_port is not None:
            raise WrongSetting("FIKS_GATEWAY_TLS_PORT is set and FIKS_TLS_CERTIFICATE is not: name a certificate chain")
        if key is not None:
            raise WrongSetting("FIKS_TLS_KEY is set and FIKS_TLS_CERTIFICATE is not: name the certificate chain too")
        if settings.amqp_host not in LOOPBACK:
            raise WrongSetting(
                "AMQP carries passwords: name FIKS_TLS_CERTIFICATE and FIKS_TLS_KEY to serve it on "
                f"{settings.amqp_host}, which FIKS_AMQP_HOST says"
            )
        return None
    if key is None:
        raise WrongSetting("FIKS_TLS_CERTIFICATE is set and FIKS_TLS_KEY is not: name the file with its key too")
    try:
        return tls(certificate, key)
    except OSError as fault:  # such as that of OpenSSL, which does not say which of them it is
        raise WrongSetting(
            f"FIKS_TLS_CERTIFICATE ({certificate}) and FIKS_TLS_KEY ({key}) cannot be used: {fault}"
        ) from fault
