"""The fold of the configuration: repeats do nothing, and organisations do not depend on each other's order."""

from functools import reduce
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.konfigurasjon import (
    IntegrasjonOpprettet,
    KontoOpprettet,
    MottakersystemRegistrert,
    OrganisasjonOpprettet,
    PrivilegieTildelt,
)
from streams.domain.konfigurasjon import Configuration, KonfigurasjonEvent, evolve

A, B = UUID(int=0xA), UUID(int=0xB)
KONTO, INTEGRASJON = UUID(int=1), UUID(int=2)

owners = st.sampled_from([A, B, UUID(int=0xC)])
ids = st.integers(1, 3).map(lambda number: UUID(int=number))
texts = st.sampled_from(["x", "y", "z"])
events = st.one_of(
    st.builds(OrganisasjonOpprettet, fiks_org_id=owners, orgnr=texts, navn=texts),
    st.builds(
        IntegrasjonOpprettet,
        fiks_org_id=owners,
        integrasjon_id=ids,
        autorisert_orgnr=texts,
        navn=texts,
        passord_hash=texts,
    ),
    st.builds(KontoOpprettet, fiks_org_id=owners, konto_id=ids, tjeneste=texts, navn=texts),
    st.builds(PrivilegieTildelt, fiks_org_id=owners, integrasjon_id=ids, ressurs_id=ids, privilegium=texts),
    st.builds(
        MottakersystemRegistrert,
        fiks_org_id=owners,
        mottakersystem_id=ids,
        navn=texts,
        orgnr=texts,
        forsendelsestype=st.none() | texts,
        niva=st.none() | st.sampled_from([3, 4]),
    ),
)
histories = st.lists(events, max_size=30)


def fold(history: list[KonfigurasjonEvent]) -> Configuration:
    return reduce(evolve, history, Configuration())


@given(histories, st.data())
def test_an_event_that_comes_again_changes_nothing(history: list[KonfigurasjonEvent], data: st.DataObject) -> None:
    repeated = []
    for event in history:
        repeated.append(event)
        repeated += data.draw(st.lists(st.sampled_from(repeated), max_size=2))
    assert fold(repeated) == fold(history)


@given(histories, st.randoms(use_true_random=False))
def test_it_does_not_matter_how_organisations_are_interleaved(history: list[KonfigurasjonEvent], random) -> None:
    whose = [event.fiks_org_id for event in history]
    random.shuffle(whose)
    in_order = {owner: iter([e for e in history if e.fiks_org_id == owner]) for owner in whose}
    assert fold([next(in_order[owner]) for owner in whose]) == fold(history)


def konto(owner: UUID) -> KontoOpprettet:
    return KontoOpprettet(fiks_org_id=owner, konto_id=KONTO, tjeneste="svarut", navn="k")


def grant(owner: UUID, privilegium: str = "svarut-send") -> PrivilegieTildelt:
    return PrivilegieTildelt(fiks_org_id=owner, integrasjon_id=INTEGRASJON, ressurs_id=KONTO, privilegium=privilegium)


def test_the_owner_of_an_account_gives_privileges_on_it() -> None:
    configuration = fold([konto(A), grant(A)])
    assert configuration.has(INTEGRASJON, KONTO, "svarut-send")
    assert not configuration.has(INTEGRASJON, KONTO, "svarut-les")
    assert not configuration.has(UUID(int=9), KONTO, "svarut-send")
    assert not configuration.has(INTEGRASJON, UUID(int=9), "svarut-send")


def test_nobody_else_does() -> None:
    assert not fold([konto(A), grant(B)]).has(INTEGRASJON, KONTO, "svarut-send")


def test_there_is_no_privilege_on_an_account_that_does_not_exist() -> None:
    assert not fold([grant(A)]).has(INTEGRASJON, KONTO, "svarut-send")


def test_a_password_hash_is_not_in_what_is_printed() -> None:
    event = IntegrasjonOpprettet(
        fiks_org_id=A, integrasjon_id=INTEGRASJON, autorisert_orgnr="1", navn="i", passord_hash="$argon2id$hemmelig"
    )
    assert "hemmelig" not in repr(fold([event]).integrasjoner[INTEGRASJON])


def system(number: int, forsendelsestype: str | None, niva: int | None) -> MottakersystemRegistrert:
    return MottakersystemRegistrert(
        fiks_org_id=A,
        mottakersystem_id=UUID(int=number),
        navn=f"m{number}",
        orgnr="310991007",
        forsendelsestype=forsendelsestype,
        niva=niva,
    )


@pytest.mark.parametrize(
    ("rows", "sent", "taken_by"),
    [
        ([system(1, None, None)], ("byggesak", 3), 1),
        ([system(1, None, None)], (None, 4), 1),
        ([system(1, "byggesak", None)], (None, 3), None),
        ([system(1, "byggesak", None)], ("annet", 3), None),
        ([system(1, None, None), system(2, "byggesak", None)], ("byggesak", 3), 2),
        ([system(1, None, 3), system(2, "byggesak", None)], ("byggesak", 3), 2),
        ([system(1, None, 3)], (None, 4), None),
        ([system(1, None, 3), system(2, None, 4)], (None, 4), 2),
        ([system(1, None, None), system(2, None, 4)], (None, 4), 2),
        ([], (None, 3), None),
    ],
)
def test_a_mottakersystem_is_found_by_type_before_all_types(
    rows: list[KonfigurasjonEvent], sent: tuple[str | None, int], taken_by: int | None
) -> None:
    found = fold(rows).mottakersystem("310991007", *sent)
    assert (found and found.id.int) == taken_by
