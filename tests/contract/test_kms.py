"""Vault Transit and AWS KMS as key-encryption key holders: moto's KMS, and a stand-in with the interface of Transit."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from gateway.cli import cli
from infra.keks import Keks
from infra.kms import AwsKms, Vault, keks, signed
from infra.settings import Settings
from streams.domain.errors import Rejected, Unavailable
from tests.support.ports import free_port

KEY = bytes(range(32))
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-north-1"}
TOKEN = "s.token"


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsKms]:
    server = ThreadedMotoServer("127.0.0.1", port=free_port(), verbose=False)
    server.start()
    url = f"aws+http://127.0.0.1:{server._port}/alias/fiks"
    yield AwsKms(urlsplit(url), ENVIRONMENT)
    server.stop()


@pytest_asyncio.fixture
async def aws_key(aws: AwsKms) -> AwsKms:
    made = await aws._ask("CreateKey", {})
    with suppress(Rejected):  # of an earlier test
        await aws._ask("CreateAlias", {"AliasName": "alias/fiks", "TargetKeyId": made["KeyMetadata"]["KeyId"]})
    return aws


class Transit:
    """What of Vault's Transit engine is asked: encrypt and decrypt of one key, by token."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.status:
            return web.json_response({"errors": ["Vault is sealed"]}, status=self.status)
        if request.headers.get("X-Vault-Token") != TOKEN:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        said = await request.json()
        if request.match_info["action"] == "encrypt":
            sealed = base64.b64encode(base64.b64decode(said["plaintext"])[::-1]).decode()
            return web.json_response({"data": {"ciphertext": f"vault:v1:{sealed}", "key_version": 1}})
        sealed = said["ciphertext"].removeprefix("vault:v1:")
        return web.json_response({"data": {"plaintext": base64.b64encode(base64.b64decode(sealed)[::-1]).decode()}})


@pytest_asyncio.fixture
async def transit() -> AsyncIterator[tuple[Transit, str]]:
    engine, app, port = Transit(), web.Application(), free_port()
    app.router.add_post("/v1/transit/{action:encrypt|decrypt}/fiks", engine.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield engine, f"vault+http://127.0.0.1:{port}/transit/fiks"
    await runner.cleanup()


async def test_aws_kms_gives_back_what_it_was_given(aws_key: AwsKms) -> None:
    text = await aws_key.encrypt(KEY)
    assert KEY not in base64.b64decode(text)
    assert await aws_key.decrypt(text) == KEY


async def test_aws_kms_refuses_a_key_that_is_not_there(aws_key: AwsKms) -> None:
    stranger = AwsKms(urlsplit(aws_key._url.replace("http", "aws+http", 1) + "alias/none"), ENVIRONMENT)
    with pytest.raises(Rejected, match="NotFoundException"):
        await stranger.encrypt(KEY)


async def test_nobody_there_is_unavailable() -> None:
    for kms in (
        AwsKms(urlsplit(f"aws+http://127.0.0.1:{free_port()}/k"), ENVIRONMENT),
        Vault(urlsplit(f"vault+http://127.0.0.1:{free_port()}/transit/k"), lambda: TOKEN),
    ):
        with pytest.raises(Unavailable):
            await kms.encrypt(KEY)


@pytest.mark.parametrize("host", ["kms", "localhost:4566", "127.0.0.1", "kms.amazonaws.com.example.no:1"])
def test_a_region_that_nobody_names_is_told_in_one_line_before_anything_starts(host: str) -> None:
    environment = {"AWS_REGION": None, "FIKS_STATE": None, "FIKS_KMS": f"aws+http://{host}/alias/fiks"}
    done = CliRunner(env=environment).invoke(cli, ["keys", "rotate"])
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "AWS_REGION" in done.output
    assert AwsKms(urlsplit(f"aws+http://{host}/k"), ENVIRONMENT)


@pytest.mark.parametrize(
    "host", [f"{one}.amazonaws.com" for one in ("kms.eu-north-1", "kms-fips.eu-north-1", "vpce-1.kms.eu-north-1.vpce")]
)
@pytest.mark.parametrize(("region", "ending"), [("eu-north-1", ""), ("cn-northwest-1", ".cn")])
def test_the_region_is_the_one_in_the_host_where_no_other_is_named(host: str, region: str, ending: str) -> None:
    named = host.replace("eu-north-1", region) + ending
    assert AwsKms(urlsplit(f"aws+https://{named}/k"), {})._region == region


@pytest.mark.parametrize("token", [None, "session"])
def test_a_request_is_signed_as_amazon_signs_it(token: str | None) -> None:
    url, body = "https://kms.eu-north-1.amazonaws.com/", b'{"KeyId": "k"}'
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.Encrypt"}
    environment = ENVIRONMENT | ({"AWS_SESSION_TOKEN": token} if token else {})
    ours = signed(url, body, headers, "eu-north-1", environment, datetime.now(UTC))
    theirs = AWSRequest("POST", url, data=body, headers=headers)
    theirs.context["timestamp"] = ours["X-Amz-Date"]
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", "secret", token), "kms", "eu-north-1")
    theirs.headers["X-Amz-Date"] = ours["X-Amz-Date"]
    if token:
        theirs.headers["X-Amz-Security-Token"] = token
    signature = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    assert ours["Authorization"].endswith(f"Signature={signature}")


async def test_vault_gives_back_what_it_was_given(transit: tuple[Transit, str]) -> None:
    engine, url = transit
    vault = Vault(urlsplit(url), lambda: TOKEN)
    assert await vault.decrypt(await vault.encrypt(KEY)) == KEY
    assert engine.asked == ["/v1/transit/encrypt/fiks", "/v1/transit/decrypt/fiks"]


@pytest.mark.parametrize(
    ("status", "fault"), [(403, Rejected), (400, Rejected), (503, Unavailable), (429, Unavailable)]
)
async def test_what_vault_refuses_is_told_from_what_passes(
    transit: tuple[Transit, str], status: int, fault: type[Exception]
) -> None:
    engine, url = transit
    engine.status = status
    with pytest.raises(fault, match="sealed"):
        await Vault(urlsplit(url), lambda: TOKEN).encrypt(KEY)


async def test_with_a_kms_the_file_holds_no_key_and_data_keys_never_leave(
    transit: tuple[Transit, str], tmp_path: Path
) -> None:
    engine, url = transit
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    settings = Settings(kek_file=tmp_path / "keks.json", kms=url, kms_token_file=tmp_path / "token")
    one: Keks = keks(settings)
    await one.begin()
    wrapped = {f"a:{number}": await one.wrap(f"a:{number}", os.urandom(32)) for number in range(5)}
    assert len(await keks(settings).unwrap(wrapped)) == 5
    assert "vault:v1:" in (tmp_path / "keks.json").read_text()
    assert engine.asked == ["/v1/transit/encrypt/fiks", *["/v1/transit/decrypt/fiks"] * 2]
    without = keks(Settings(kek_file=tmp_path / "keks.json"))
    with pytest.raises(Rejected, match="set FIKS_KMS"):
        await without.generations()
    with pytest.raises(Unavailable, match="er ikke tilgjengelige nå"):  # it is not the caller who is wrong
        await without.unwrap(wrapped)
    engine.status = 503
    with pytest.raises(Unavailable):
        await keks(settings).unwrap(wrapped)
