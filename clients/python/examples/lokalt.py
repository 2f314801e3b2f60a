"""Sends a file from one account of the local system to the other, which opens it, answers and acknowledges.

``python lokalt.py system.json seed.json FILE``: what ``fiks status --json`` says of the system, the accounts that
``fiks seed`` has made in it, and what to send.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from fiks_io import EgenKonto, FiksIO, File, Integrasjon, KeyPair, Maskinporten, Miljo, Refused, Signer

TYPE = "no.ks.fiks.eksempel.v1"


async def main(addresses: dict[str, str], testvik: dict[str, str], provdal: dict[str, str], file: Path) -> None:
    async with (
        klient(addresses, testvik) as avsender,
        klient(addresses, provdal) as mottaker,
        avsender.meldinger() as svar,
        mottaker.meldinger() as meldinger,
    ):
        sendt = await avsender.send(UUID(provdal["fiksIoKontoId"]), TYPE, [File(file.name, file)])
        print("sent", sendt.melding_id)
        async for melding in meldinger:
            try:
                if melding.metadata.har_payload:
                    async with melding.innhold() as innhold:
                        for name in innhold.names:
                            print(f"received {name}, {len(innhold.read(name))} bytes")
            except Refused as fault:  # the next time it would be no better
                print("not readable:", fault)
                await melding.nack()
                continue
            await melding.svar(f"{TYPE}.mottatt")
            await melding.ack()
            if melding.metadata.melding_id == sendt.melding_id:
                break
        async for melding in svar:
            print("answered:", melding.metadata.melding_type)
            await melding.ack()
            if melding.metadata.svar_pa_melding == sendt.melding_id:
                break


def klient(addresses: dict[str, str], seeded: dict[str, str]) -> FiksIO:
    """The client of a seeded account. Its keys, certificates and passwords come from elsewhere in real life."""
    host, port = addresses["amqp"].removeprefix("amqps://").removesuffix("/").split(":")
    private = load_pem_private_key(seeded["fiksIoPrivatNokkel"].encode(), None)
    assert isinstance(private, RSAPrivateKey)
    pair = KeyPair(x509.load_pem_x509_certificate(seeded["fiksIoSertifikat"].encode()), private)
    key, certificate = virksomhetssertifikat(seeded["orgnr"])
    return FiksIO(
        Miljo(addresses["gateway_tls"], host, int(port)),
        Integrasjon(UUID(seeded["integrasjonId"]), seeded["integrasjonPassord"]),
        Maskinporten(addresses["issuer"], f"test-{seeded['orgnr']}", key, certificate=certificate),
        EgenKonto(UUID(seeded["fiksIoKontoId"]), (pair,), Signer(certificate, key)),
        tls=ssl.create_default_context(cafile=addresses["authority"]),
    )


def virksomhetssertifikat(orgnr: str) -> tuple[RSAPrivateKey, x509.Certificate]:
    """What the local stand-in for Maskinporten takes for one: any that names the organisation."""
    key = generate_private_key(65537, 3072)
    named = {NameOID.COUNTRY_NAME: "NO", NameOID.COMMON_NAME: "Eksempel", NameOID.SERIAL_NUMBER: orgnr}
    name = x509.Name([x509.NameAttribute(what, value) for what, value in named.items()])
    now, day = datetime.now(UTC), timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    return key, made.sign(key, SHA256())


if __name__ == "__main__":
    system, seed, file = map(Path, sys.argv[1:])
    testvik, provdal = json.loads(seed.read_text())
    asyncio.run(main(json.loads(system.read_text())["addresses"], testvik, provdal, file))
