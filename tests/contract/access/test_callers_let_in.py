"""Every kind of caller on a real route, with every fault: exactly who has none is let in.

Rights are given and taken by the API, decided on the log and folded by the gateway; tokens come from real issuers. That
all other routes ask in the same way is shown by ``tests/integration/test_auth_matrix.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest
import pytest_asyncio

from gateway.auth.demands import Caller
from gateway.auth.grant import token_for
from gateway.auth.login import person_token
from gateway.issuer.people import PEOPLE
from gateway.registers.parties import MAIL_ROLES, Party
from gateway.seed import PROVDAL, TESTVIK, Organisation
from tests.support.dokumentlager import Lager
from tests.support.everything import with_token
from tests.support.fiks_io_konto import done
from tests.support.issuer import Issuers, running_issuers
from tests.support.revoking import integrasjon

PID = PEOPLE[5].pid
"""Holds nothing but what a test gives."""
MACHINE = "machine"


class Kind(NamedTuple):
    """What a kind of caller asks for, on what it must hold rights, and who must hold which: persons and the machine."""

    path: str
    on: str
    rights: tuple[tuple[str, str], ...]


KONTO = f"/fiks-io/konto/api/v1/kontoer/{TESTVIK.id('fiks io konto')}"
KINDS = {
    Caller.CITIZEN: Kind(
        "/dokumentlager/nedlasting/niva4/{dokument}", "dokumenter", ((PID, "DOKUMENTLAGER.LAST_OPP"),)
    ),
    Caller.FOR_ORGANISATION: Kind("/dokumentlager/nedlasting/niva4/{dokument}", "", ()),
    Caller.MANAGER: Kind(
        f"/konfigurasjon/api/v1/organisasjoner/{TESTVIK.id('organisasjon')}/tjenester",
        "organisasjon",
        ((PID, "ADMIN"),),
    ),
    Caller.INTEGRATION: Kind(KONTO, "fiks io konto", ((MACHINE, "SVARINN.KONFIGURERE"),)),
    Caller.INTEGRATION_PERSON: Kind(
        KONTO, "fiks io konto", ((MACHINE, "SVARINN.KONFIGURERE"), (PID, "SVARINN.KONFIGURERE"))
    ),
}
WITHOUT = dict.fromkeys(KINDS, 403) | {Caller.CITIZEN: 404}
"""What is answered to who holds no right: for citizens, what is not theirs does not exist."""


@dataclass(frozen=True)
class World:
    """A gateway with a document that is exposed to a right and to an organisation, an integration that Testvik has made
    and offers to all, and issuers that the gateway does not trust.
    """

    lager: Lager
    machine: Lager
    administrators: Mapping[Organisation, Lager]
    dokument: str
    strangers: Issuers

    async def give(self, kind: Caller, organisation: Organisation = TESTVIK) -> None:
        """The rights, in that organisation."""
        if kind is Caller.FOR_ORGANISATION:
            self.lager.powers.held[PID] = {organisation.orgnr: _party(organisation)}
        for right in self._rights(kind):
            await done(self.administrators[organisation], "POST", _tilganger(kind, organisation), right)

    async def take(self, kind: Caller, organisation: Organisation = TESTVIK) -> None:
        """Take them back."""
        self.lager.powers.held.pop(PID, None)
        for right in self._rights(kind):
            await done(self.administrators[organisation], "DELETE", _tilganger(kind, organisation), **right)

    def _rights(self, kind: Caller) -> list[dict[str, str]]:
        machine = self.machine.headers["IntegrasjonId"]
        return [{"aktor": machine if who == MACHINE else who, "privilegium": what} for who, what in KINDS[kind].rights]

    async def ask(self, kind: Caller, *, niva: int = 4, scope: str = "ks:fiks", issuers: Issuers | None = None) -> int:
        """The status of the answer to the call, with a token of the issuers that the gateway trusts, or of others."""
        settings = self.lager.settings
        if kind is Caller.INTEGRATION:
            issuer = issuers.maskinporten.name if issuers else settings.issuer
            token = await token_for(issuer, TESTVIK.orgnr, scope)
        else:
            issuer = issuers.idporten.name if issuers else settings.idporten_issuer
            token = await person_token(issuer, PID, niva, TESTVIK.orgnr, scope)
        through = kind in (Caller.INTEGRATION, Caller.INTEGRATION_PERSON)
        caller = with_token(self.machine if through else replace(self.lager, headers={}), token)
        named = {"OnBehalfOf": TESTVIK.orgnr} if kind is Caller.FOR_ORGANISATION else {}
        return (await caller.ask("GET", KINDS[kind].path.format(dokument=self.dokument), headers=named)).status


def _tilganger(kind: Caller, organisation: Organisation) -> str:
    return f"/autorisasjon-update/api/v1/ressurs/{organisation.id(KINDS[kind].on)}/tilganger"


def _party(organisation: Organisation) -> Party:
    return Party(organisation.orgnr, organisation.navn, True, MAIL_ROLES, frozenset())


@pytest_asyncio.fixture(scope="module")
async def world(lagre: tuple[Lager, Lager]) -> AsyncIterator[World]:
    lager = lagre[0]
    administrators = {one: await (await lager.as_organisation(one)).as_administrator() for one in (TESTVIK, PROVDAL)}
    machine = await integrasjon(administrators[TESTVIK], lager)
    root = f"/konfigurasjon/api/v1/root/integrasjoner/{machine.headers['IntegrasjonId']}"
    await done(await lager.as_operator(), "PATCH", root, {"global": True})  # so that Provdal may give it something
    on = {"privilegium": "DOKUMENTLAGER.LAST_OPP", "ressurs": str(TESTVIK.id("dokumenter")), "type": "AUTORISASJON"}
    dokument = await lager.uploaded(eksponertFor=[on, {"orgnr": TESTVIK.orgnr, "type": "ORGANISASJON"}])
    async with running_issuers() as strangers:
        yield World(lager, machine, administrators, dokument, strangers)


pytestmark = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


async def test_who_holds_the_right_is_let_in_from_when_it_was_given_until_it_is_taken(
    world: World, kind: Caller
) -> None:
    assert await world.ask(kind) == WITHOUT[kind]
    await world.give(kind)
    assert await world.ask(kind) == 200
    await world.take(kind)
    assert await world.ask(kind) == WITHOUT[kind]


async def test_a_right_in_another_organisation_lets_nobody_in(world: World, kind: Caller) -> None:
    await world.give(kind, PROVDAL)
    assert await world.ask(kind) == WITHOUT[kind]
    await world.take(kind, PROVDAL)


async def test_a_right_without_a_token_that_holds_lets_nobody_in(
    world: World, kind: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.give(kind)
    assert await world.ask(kind, issuers=world.strangers) == 401
    assert await world.ask(kind, scope="ks:fiksoom") == 401
    with monkeypatch.context() as patch:
        for issuer in ("maskinporten", "idporten"):
            patch.setattr(f"gateway.issuer.{issuer}.LIFETIME", -300)
        assert await world.ask(kind) == 401
    if kind is not Caller.INTEGRATION:  # which nobody has logged in for
        assert await world.ask(kind, niva=3) == 403
    assert await world.ask(kind) == 200
    await world.take(kind)
