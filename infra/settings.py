"""What the surroundings decide: addresses, folders, ports. Read from the environment (FIKS_*) alone, and never changed.

No secret has a default: the PostgreSQL password stands in a passfile that the DSN names, or in the operator's DSN.
"""

import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

ELSEWHERE = {
    *("FIKS_POSTGRES_PASSWORD", "FIKS_PUBLISH", "FIKS_TLS_PUBLISH", "FIKS_AMQP_PUBLISH"),  # compose.yaml
    "FIKS_SCHEMAS_USER",  # fiks schemas publish
    *("FIKS_CLIENT_JARS", "FIKS_TEST_REGISTERS"),  # tests
}
"""Names that are no settings of a process, and who reads them."""


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class WrongSetting(Exception):
    """What the settings say cannot be; the text says what must change."""


class UnknownSetting(WrongSetting):
    """A variable of the environment looks like a setting and is none: misspelt, it would leave a default in force."""


def _must(be: str, holds: Callable[[str], object]) -> AfterValidator:
    """The check of a text, which says what it must be and never what it is: there may be a password in it."""

    def check(value: str) -> str:
        try:
            is_so = holds(value)
        except ValueError:  # what urlsplit raises, and what it gives, for a port that is none
            is_so = False
        if not is_so:
            raise PydanticCustomError("setting", "must be {be}", {"be": be})
        return value

    return AfterValidator(check)


def _is_web(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0


def _are_servers(servers: str) -> bool:
    return all(server.hostname and server.port for server in map(_server, servers.split(",")))


def _is_dsn(dsn: str) -> bool:
    parts = urlsplit(dsn)
    servers = parts.netloc.rpartition("@")[2]
    return parts.scheme in ("postgresql", "postgres") and all(_server(one).port != 0 for one in servers.split(","))


def _server(text: str) -> SplitResult:
    return urlsplit(f"//{text.strip()}")


def _is_store(url: str) -> bool:
    parts = urlsplit(url)
    is_folder = parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")
    return is_folder or (parts.scheme == "s3" and bool(parts.netloc))


def _is_clamd(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.path) if parts.scheme == "unix" else parts.scheme == "tcp" and bool(parts.hostname and parts.port)


def _is_kms(url: str) -> bool:
    kind, _, web = url.partition("+")
    return kind in ("vault", "aws") and _is_web(web) and bool(urlsplit(web).path.strip("/"))


Port = Annotated[int, Field(ge=1, le=65535)]
Web = Annotated[str, _must("an address that begins with http:// or https:// and names a host", _is_web)]
Servers = Annotated[str, _must("host:port, and more of them after commas", _are_servers)]
Dsn = Annotated[str, _must("postgresql://user@host:port/database", _is_dsn)]
Store = Annotated[str, _must("file:///folder or s3://bucket", _is_store)]
Scanner = Annotated[str, _must("tcp://host:port or unix:///path", _is_clamd)]
KeyService = Annotated[str, _must("vault+https://host/mount/key or aws+https://kms.region.amazonaws.com/key", _is_kms)]
Identity = Annotated[str, _must("the 32 digits in the blob fiks-identity", re.compile("[0-9a-f]{32}").fullmatch)]
Level = Annotated[str, _must(f"one of {', '.join(LEVELS)}", lambda level: level.upper() in LEVELS)]


def _blobs_in_state(settings: dict[str, Any]) -> str:
    state: Path = settings["state"]
    return (state.absolute() / "blobs").as_uri()


class Settings(BaseSettings):
    """Every setting of every process. `FIKS_GATEWAY_PORT=8081` sets `gateway_port`, an empty variable nothing. Raises
    UnknownSetting, and pydantic's ValidationError.
    """

    model_config = SettingsConfigDict(env_prefix="FIKS_", frozen=True, env_ignore_empty=True)

    @model_validator(mode="before")
    @classmethod
    def _none_is_misspelt(cls, given: Any) -> Any:
        known = {f"FIKS_{name.upper()}" for name in cls.model_fields} | ELSEWHERE
        for name in os.environ:
            if name.upper().startswith("FIKS_") and name.upper() not in known:
                nearest = get_close_matches(name.upper(), known, n=1, cutoff=0.0)[0]
                raise UnknownSetting(f"{name} is no setting; did you mean {nearest}? Correct or unset it")
        return given

    state: Path = Field(
        default=Path(".local"), description="folder of all that a local run leaves: data, logs, stack.json"
    )
    kafka: Servers = Field(default="127.0.0.1:9092", description="bootstrap servers, comma separated host:port")
    replication: int = Field(default=1, ge=1, description="replicas of each topic; 3 where there are three brokers")
    postgres: Dsn = Field(
        default="postgresql://fiks@127.0.0.1:5432/fiks", description="DSN, with passfile= or a password"
    )
    blobs: Store = Field(default_factory=_blobs_in_state, description="URL of the blob store: file:// or s3://")
    blobs_identity: Identity | None = Field(
        default=None,
        description="which blob store that is: what its blob fiks-identity holds; none: the first that this host sees",
    )
    gateway_host: str = "127.0.0.1"
    gateway_port: Port = 8080
    gateway_tls_port: Port | None = Field(
        default=None, description="where gateways serve HTTP over TLS, on gateway_host; none: they do not"
    )
    amqp_host: str = Field(default="127.0.0.1", description="the address on which amqp_port listens")
    amqp_port: Port | None = Field(
        default=None, description="where gateways serve the queues of Fiks IO over AMQP 0-9-1; none: they do not"
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="certificate chain (PEM) that names the hosts clients ask for, over HTTPS and AMQP; none: no TLS, "
        "and AMQP on loopback alone",
    )
    tls_key: Path | None = Field(default=None, description="the key of tls_certificate (PEM)")
    issuer: Web = Field(
        default="https://maskinporten.no/", description="the trusted Maskinporten issuer, compared exactly"
    )
    idporten_issuer: Web = Field(
        default="https://idporten.no", description="the trusted ID-porten issuer, compared exactly"
    )
    person_key_file: Path | None = Field(
        default=None,
        description="file with the key that names persons on the log, in hex; the same on all gateways, for ever; "
        "none: one is kept in the state folder",
    )
    kek_file: Path | None = Field(
        default=None,
        description="file with the key-encryption keys; the same for all processes of the system; none: one is kept in "
        "the state folder",
    )
    kms: KeyService | None = Field(
        default=None,
        description="what keeps the key-encryption keys secret: vault+https://host/mount/key or "
        "aws+https://kms.region.amazonaws.com/key; none: whoever reads the file has them",
    )
    kms_token_file: Path | None = Field(default=None, description="file with the token by which Vault knows us")
    document_keys: Path | None = Field(
        default=None,
        description="folder of the key pairs by which documents are encrypted for the platform (*.pem: private key and "
        "certificate), the same on all gateways; none: one in the state folder",
    )
    clamd: Scanner | None = Field(
        default=None, description="the clamd that scans documents, tcp://host:port or unix:///path; none: none does"
    )
    issuer_host: str = "127.0.0.1"
    issuer_port: Port = Field(default=8090, description="where the local test issuers listen")
    altinn: Web = Field(default="https://platform.altinn.no", description="Altinn 3, who says who may act for whom")
    altinn_key: str | None = Field(default=None, repr=False, description="subscription key of Altinn's API")
    krr: Web = Field(default="https://kontaktregisteret.no", description="Kontakt- og reservasjonsregisteret")
    matrikkel: Web | None = Field(
        default=None,
        description="Fiks Matrikkel, as our organisation asks it who owns a property unit: "
        "https://api.fiks.ks.no/matrikkel-eier/api/v1/{fiksOrgId}; none: no document is for the owners of one",
    )
    matrikkel_integrasjon: UUID | None = Field(
        default=None, description="id of our integration there, which holds MATRIKKEL.QUERY"
    )
    matrikkel_passord: str | None = Field(default=None, repr=False, description="its password")
    maskinporten_client: Path | None = Field(
        default=None,
        description="JSON file {clientId, key: JWK with kid or x5c} of our client, by which we ask registers",
    )
    memory_lifetime: float = Field(
        default=300.0, ge=10, description="seconds in which a gateway that does not hear from the log lets callers in"
    )
    fullmakt_lifetime: float = Field(
        default=300.0, ge=0, description="seconds in which an answer of Altinn is used again"
    )
    stand_ins_host: str = "127.0.0.1"
    stand_ins_port: Port = Field(default=8091, description="where the stand-ins for these registers listen")
    minside: Web = Field(
        default="https://minside.kommune.no", description="where persons fetch their documents; Location names it"
    )
    unreadable_in_a_row: int = Field(
        default=100,
        ge=1,
        description="records in a row that a worker sets aside as dead letters before it takes itself for a release "
        "that can read nothing, and stops; more gets it past a flood that no release will ever read",
    )
    metrics_host: str = Field(default="127.0.0.1", description="the address on which metrics_port listens")
    metrics_port: Port | None = Field(
        default=None, description="where a worker serves /metrics; none: it opens no port"
    )
    otel: Web | None = Field(default=None, description="OTLP/HTTP endpoint for traces; none: no traces are sent")
    log_level: Level = "INFO"
    test_mode: bool = Field(default=False, description="serve what only tests may use, such as the test issuer")
