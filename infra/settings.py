"""What the surroundings decide: addresses, folders, ports. Read from the environment (FIKS_*) alone, and never changed.

No secret has a default: the PostgreSQL password stands in a passfile that the DSN names, or in the operator's DSN.
"""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ELSEWHERE = {
    *("FIKS_POSTGRES_PASSWORD", "FIKS_PUBLISH", "FIKS_AMQP_PUBLISH"),  # compose.yaml
    "FIKS_SCHEMAS_USER",  # fiks schemas publish
    *("FIKS_CLIENT_JARS", "FIKS_TEST_REGISTERS"),  # tests
}
"""Names that are no settings of a process, and who reads them."""


class UnknownSetting(Exception):
    """A variable of the environment looks like a setting and is none: misspelt, it would leave a default in force."""


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
    kafka: str = Field(default="127.0.0.1:9092", description="bootstrap servers, comma separated host:port")
    replication: int = Field(default=1, ge=1, description="replicas of each topic; 3 where there are three brokers")
    postgres: str = Field(
        default="postgresql://fiks@127.0.0.1:5432/fiks", description="DSN, with passfile= or a password"
    )
    blobs: str = Field(default_factory=_blobs_in_state, description="URL of the blob store: file:// or s3://")
    gateway_host: str = "127.0.0.1"
    gateway_port: int = 8080
    amqp_host: str = Field(default="127.0.0.1", description="the address on which amqp_port listens")
    amqp_port: int | None = Field(
        default=None, description="where gateways serve the queues of Fiks IO over AMQP 0-9-1; none: they do not"
    )
    amqp_certificate: Path | None = Field(
        default=None,
        description="certificate chain (PEM) that names the host clients ask for; none: no TLS, on loopback alone",
    )
    amqp_key: Path | None = Field(default=None, description="the key of amqp_certificate (PEM)")
    issuer: str = Field(
        default="https://maskinporten.no/", description="the trusted Maskinporten issuer, compared exactly"
    )
    idporten_issuer: str = Field(
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
    kms: str | None = Field(
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
    clamd: str | None = Field(
        default=None, description="the clamd that scans documents, tcp://host:port or unix:///path; none: none does"
    )
    issuer_host: str = "127.0.0.1"
    issuer_port: int = Field(default=8090, description="where the local test issuers listen")
    altinn: str = Field(default="https://platform.altinn.no", description="Altinn 3, who says who may act for whom")
    altinn_key: str | None = Field(default=None, repr=False, description="subscription key of Altinn's API")
    krr: str = Field(default="https://kontaktregisteret.no", description="Kontakt- og reservasjonsregisteret")
    matrikkel: str | None = Field(
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
    fullmakt_lifetime: float = Field(
        default=300.0, ge=0, description="seconds in which an answer of Altinn is used again"
    )
    stand_ins_host: str = "127.0.0.1"
    stand_ins_port: int = Field(default=8091, description="where the stand-ins for these registers listen")
    minside: str = Field(
        default="https://minside.kommune.no", description="where persons fetch their documents; Location names it"
    )
    metrics_host: str = Field(default="127.0.0.1", description="the address on which metrics_port listens")
    metrics_port: int | None = Field(default=None, description="where a worker serves /metrics; none: it opens no port")
    otel: str | None = Field(default=None, description="OTLP/HTTP endpoint for traces; none: no traces are sent")
    log_level: str = "INFO"
    test_mode: bool = Field(default=False, description="serve what only tests may use, such as the test issuer")
