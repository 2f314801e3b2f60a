"""A client for Fiks IO: sends files signed and encrypted, and hands out what comes once it was checked."""

from fiks_cms import KeyPair
from fiks_io.api import Integrasjon
from fiks_io.client import PRODUKSJON, TEST, EgenKonto, FiksIO, Miljo, MottattMelding
from fiks_io.container import Container
from fiks_io.errors import Denied, FiksIOError, HttpError, Lost, Refused, Unavailable
from fiks_io.katalog import Konto, KontoStatus
from fiks_io.maskinporten import Maskinporten, Token
from fiks_io.melding import Metadata
from fiks_io.packing import File
from fiks_io.sending import SendtMelding
from fiks_io.signature import Signer

__all__ = [
    "PRODUKSJON",
    "TEST",
    "Container",
    "Denied",
    "EgenKonto",
    "FiksIO",
    "FiksIOError",
    "File",
    "HttpError",
    "Integrasjon",
    "KeyPair",
    "Konto",
    "KontoStatus",
    "Lost",
    "Maskinporten",
    "Metadata",
    "Miljo",
    "MottattMelding",
    "Refused",
    "SendtMelding",
    "Signer",
    "Token",
    "Unavailable",
]
