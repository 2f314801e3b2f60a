"""An organisation that has an administrator keeps one, and so does ROOT, whoever asks for what in whatever order."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.konfigurasjon import (
    ROOT,
    Avslagsgrunn,
    KommandoAvvist,
    PrivilegieTrukketTilbake,
)
from schemas.konfigurasjon_commands import (
    ActivateAktor,
    DeactivateAktor,
    GrantPrivilegium,
    RevokePrivilegium,
)
from streams.domain.konfigurasjon import Virksomhet
from streams.domain.konfigurasjon_commands import evolve, konfigurasjon, react
from streams.domain.rettigheter import administrators
from tests.support.konfigurasjon import A, grant, organisasjon, ressurs
from tests.support.simulated_log import SimulatedLog

FIRST, SECOND, THIRD, MACHINE = "person:1", "person:2", "person:3", "integrasjon:4"
ACTORS = (FIRST, SECOND, THIRD, MACHINE)
SERVICE = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ON = {"privilegium": "ADMIN"}


def began(of: UUID) -> list[Any]:
    """The organisation (or ROOT) with one administrator."""
    there = [] if of == ROOT else [organisasjon(of), ressurs(of, 1, of)]
    return [*there, grant(of, FIRST, of)]


def folded(history: Iterable[Any]) -> Virksomhet:
    state = konfigurasjon.initial
    for event in history:
        state = evolve(state, event)
    return state


def asked(of: UUID, *, som_rot: st.SearchStrategy[bool]) -> st.SearchStrategy[list[Any]]:
    """Commands about rights, most of them about ADMIN, by and about few actors."""
    about = {"fiks_org_id": st.just(of), "av": st.sampled_from(ACTORS), "aktor": st.sampled_from(ACTORS)}
    right = {"privilegium": st.sampled_from(["ADMIN", "SVARUT.SEND"]), "ressurs_id": st.sampled_from([of, of, SERVICE])}
    commands = [
        st.builds(GrantPrivilegium, **about, **right, som_rot=som_rot),
        st.builds(RevokePrivilegium, **about, **right, som_rot=som_rot),
        st.builds(ActivateAktor, **about, som_rot=som_rot),
        st.builds(DeactivateAktor, **about, som_rot=som_rot),
    ]
    return st.lists(st.one_of(commands), max_size=25)


@pytest.mark.parametrize(("of", "som_rot"), [(A, False), (ROOT, False), (ROOT, True)])
def test_somebody_is_always_left(of: UUID, som_rot: bool) -> None:
    @given(asked(of, som_rot=st.just(som_rot)))
    def always(commands: list[Any]) -> None:
        state = folded(began(of))
        for command in commands:
            state = evolve(state, react(state, command, NOW))
            assert administrators(state, of)

    always()


@given(asked(A, som_rot=st.booleans()))
def test_it_is_refused_to_nobody_else_and_only_then(commands: list[Any]) -> None:
    """Whoever leaves somebody behind, or is root, is not stopped by this rule. Machines ask for nothing of the kind."""
    state = folded(began(A))
    for command in commands:
        if command.av == MACHINE:
            continue
        decided = react(state, command, NOW)
        before, after = administrators(state, A), administrators(evolve(state, decided), A)
        if isinstance(decided, KommandoAvvist) and "siste administratoren" in decided.melding:
            assert not command.som_rot
            assert before == {command.aktor} == {command.av}
        elif before and not after:
            assert command.som_rot
        state = evolve(state, decided)


@pytest.mark.parametrize("of", [A, ROOT])
@pytest.mark.parametrize("command", [RevokePrivilegium, DeactivateAktor])
def test_the_last_one_can_leave_once_another_is_there(of: UUID, command: type) -> None:
    says = ON | {"ressurs_id": of} if command is RevokePrivilegium else {}
    leave = command(fiks_org_id=of, av=FIRST, aktor=FIRST, **says)
    refused = react(folded(began(of)), leave, NOW)
    assert isinstance(refused, KommandoAvvist)
    assert refused.grunn is Avslagsgrunn.UGYLDIG
    assert not isinstance(react(folded([*began(of), grant(of, SECOND, of)]), leave, NOW), KommandoAvvist)
    for no_help in (grant(of, MACHINE, of), grant(of, SECOND, of, "SVARUT.SEND"), grant(of, SECOND, SERVICE)):
        assert isinstance(react(folded([*began(of), no_help]), leave, NOW), KommandoAvvist)


def test_root_takes_the_last_administrator_of_an_organisation_and_gives_it_another() -> None:
    state = folded(began(A))
    taken = react(state, RevokePrivilegium(fiks_org_id=A, av=THIRD, som_rot=True, aktor=FIRST, ressurs_id=A, **ON), NOW)
    state = evolve(state, taken)
    assert administrators(state, A) == set()
    given_ = react(
        state, GrantPrivilegium(fiks_org_id=A, av=THIRD, som_rot=True, aktor=SECOND, ressurs_id=A, **ON), NOW
    )
    assert administrators(evolve(state, given_), A) == {SECOND}


def test_one_who_leaves_what_it_does_not_administrate_alone_is_not_stopped() -> None:
    """A right on a service, and another privilege on the organisation, can be given up by anybody who has it."""
    history = [*began(A), grant(A, SECOND, SERVICE), grant(A, FIRST, A, "SVARUT.SEND")]
    for av, on, what in ((SECOND, SERVICE, "ADMIN"), (FIRST, A, "SVARUT.SEND")):
        leave = RevokePrivilegium(fiks_org_id=A, av=av, aktor=av, ressurs_id=on, privilegium=what)
        assert isinstance(react(folded(history), leave, NOW), PrivilegieTrukketTilbake)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2), st.booleans()), max_size=8))
def test_of_two_who_leave_at_once_the_first_on_the_log_does(turns: list[tuple[int, int, bool]]) -> None:
    log = SimulatedLog(konfigurasjon)
    for event in (*began(A), grant(A, SECOND, A)):
        log.happens(event)
    for av in (FIRST, SECOND):
        log.happens(RevokePrivilegium(fiks_org_id=A, av=av, aktor=av, ressurs_id=A, **ON))
    for batch, behind, commit in turns:
        log.work(konfigurasjon, batch=batch, behind=behind, commit=commit)
    state = log.settle(konfigurasjon).state
    assert administrators(state, A) == {SECOND}
    assert [type(one.event) for one in log.counted()] == [PrivilegieTrukketTilbake, KommandoAvvist]
