"""What the catalogue takes for an account can be configured; what cannot be is no account."""

from __future__ import annotations

from uuid import UUID

from schemas.fiks_io_konto_commands import ActivateKonto
from schemas.konfigurasjon import KommandoAvvist, TjenesteInitialisert
from schemas.konfigurasjon_commands import CreateRessurs
from streams.domain.configuration import Configuration
from streams.domain.fiks_io_katalog import konto_of
from streams.domain.konfigurasjon_commands import konfigurasjon
from tests.support.given_when_then import WHEN, given
from tests.support.konfigurasjon import ADMIN_A, GENESIS, A

SERVICE, MADE = UUID(int=0x20), UUID(int=0x21)


def test_a_resource_of_the_type_of_an_account_is_an_account_or_none() -> None:
    """Of one that only POST /autorisasjon-update/api/v1/ressurs {type: FIKS_IO_KONTO} made GET said 200, it could be
    consumed from over AMQP, and activating it, or giving it a key, was 404 or 400 for ever.
    """
    history = (
        *(one for one in GENESIS if one.fiks_org_id == A),
        TjenesteInitialisert(
            fiks_org_id=A, tjeneste="FIKS_IO", ressurs_id=SERVICE, ressurstype="FIKS_IO", navn="Fiks IO"
        ),
    )
    create = CreateRessurs(
        fiks_org_id=A, av=ADMIN_A, ressurs_id=MADE, forelder_id=SERVICE, type="FIKS_IO_KONTO", navn="k"
    )
    [made] = given(konfigurasjon, *history).when(create).decided
    if isinstance(made, KommandoAvvist):
        return
    known = Configuration()
    for one in (*history, made):
        known.meet(one)
    if konto_of(known, MADE) is None:
        return
    ask = ActivateKonto(fiks_org_id=A, av=ADMIN_A, konto_id=MADE, endret=WHEN, endret_av=ADMIN_A)
    [decided] = given(konfigurasjon, *history, made).when(ask).decided
    assert not isinstance(decided, KommandoAvvist), decided.melding
