"""The fold of the configuration: what holds, what does not, and in what order things may come."""

from functools import reduce
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.konfigurasjon import (
    ROOT,
    AktorAktivert,
    AktorDeaktivert,
    GlobalIntegrasjonEndret,
    IntegrasjonOpprettet,
    IntegrasjonSlettet,
    MottakersystemRegistrert,
    PassordLaget,
    PrivilegieTrukketTilbake,
    TjenesteInitialisert,
    TypePrivilegieTildelt,
    TypePrivilegieTrukketTilbake,
)
from streams.domain.configuration import Configuration, Told
from streams.domain.konfigurasjon import KonfigurasjonEvent, Virksomhet, evolve
from streams.domain.personer import SaidEvent
from tests.support.konfigurasjon import (
    ADMIN_A,
    ADMIN_B,
    AKTORER,
    GENESIS,
    IDS,
    MASKIN,
    NOBODY,
    OPERATOR,
    PRIVILEGIER,
    TYPER,
    A,
    B,
    any_configuration_event,
    any_of,
    fold,
    grant,
    konto,
    organisasjon,
    ressurs,
)

SERVICE, ACCOUNT, OTHERS = (UUID(int=number) for number in (1, 2, 3))
INTEGRASJON = f"integrasjon:{MASKIN}"
histories = st.lists(any_configuration_event, max_size=30)


def rights(configuration) -> set[tuple[str, str, UUID]]:
    return {(a, p, r) for a in AKTORER for p in PRIVILEGIER for r in IDS if configuration.may(a, p, r)}


@given(histories, st.randoms(use_true_random=False))
def test_it_does_not_matter_how_organisations_are_interleaved(history: list[KonfigurasjonEvent], random) -> None:
    whose = [event.fiks_org_id for event in history]
    random.shuffle(whose)
    in_order = {owner: iter([e for e in history if e.fiks_org_id == owner]) for owner in whose}
    one, other = fold([next(in_order[owner]) for owner in whose]), fold(history)
    assert one.virksomheter == other.virksomheter
    assert rights(one) == rights(other)
    assert [one.mottakersystem("310991007", t, 3) for t in (None, "byggesak")] == [
        other.mottakersystem("310991007", t, 3) for t in (None, "byggesak")
    ]


any_grant = st.builds(grant, st.sampled_from([A, B]), *map(st.sampled_from, (AKTORER, IDS, PRIVILEGIER)))
any_told = st.tuples(any_grant | any_configuration_event | any_of(SaidEvent), st.none() | st.integers(-1, 30))


runs = st.lists(st.lists(any_told, max_size=8), max_size=8)


@given(histories)
def test_an_event_that_comes_twice_at_once_changes_nothing(history: list[KonfigurasjonEvent]) -> None:
    doubled = fold([event for one in history for event in (one, one)])
    assert doubled.virksomheter == fold(history).virksomheter


@given(st.lists(st.tuples(any_configuration_event, st.integers(0, 3)), max_size=30))
def test_decisions_that_come_again_late_change_nothing(history: list[tuple[KonfigurasjonEvent, int]]) -> None:
    """Each decision has the offset before it as its cause; repeats of old ones come anywhere behind."""
    once, again, offset = fold(()), fold(()), 0
    met: list[tuple[KonfigurasjonEvent, int]] = []
    for event, back in history:
        cause, offset = offset, offset + 2
        once.meet(event, cause, offset)
        again.meet(event, cause, offset)
        met.append((event, cause))
        for repeated, old in met[-1 - back :]:
            if repeated.fiks_org_id == event.fiks_org_id:
                offset += 1
                assert not again.meet(repeated, old, offset)
    assert again.virksomheter == once.virksomheter


@given(runs)
def test_what_is_met_together_is_as_if_met_one_by_one(history: list[list[tuple[Any, int | None]]]) -> None:
    one_by_one, together, offset = fold(GENESIS), fold(GENESIS), 0
    for run in history:
        told = [Told(event, cause, offset + number) for number, (event, cause) in enumerate(run)]
        offset += len(run)
        before = together.streams()
        was = msgspec.msgpack.encode(before)
        assert together.meet_all(told) == [one_by_one.meet(*one) for one in told]
        assert together.streams() == one_by_one.streams()
        assert together.personer == one_by_one.personer
        assert rights(together) == rights(one_by_one)
        assert msgspec.msgpack.encode(before) == was, "a state that somebody holds has changed"


@given(st.lists(st.tuples(st.sampled_from(AKTORER), st.sampled_from(IDS), st.sampled_from(PRIVILEGIER)), max_size=8))
def test_grants_commute(granted: list[tuple[str, UUID, str]]) -> None:
    events = [grant(A, *one) for one in granted]
    assert fold([*GENESIS, *events]).virksomheter == fold([*GENESIS, *reversed(events)]).virksomheter


@given(histories, st.sampled_from(AKTORER), st.sampled_from(PRIVILEGIER))
def test_what_holds_above_holds_below(history: list[KonfigurasjonEvent], aktor: str, privilegium: str) -> None:
    configuration = fold([*GENESIS, *history])
    for virksomhet in configuration.virksomheter.values():
        for one in virksomhet.ressurser.values():
            for above in one.sti if configuration.ressurs(one.id) == one else ():
                if configuration.may(aktor, privilegium, above):
                    assert configuration.may(aktor, privilegium, one.id)


@given(histories, st.sampled_from(AKTORER), st.sampled_from(IDS))
def test_an_administrator_may_everything(history: list[KonfigurasjonEvent], aktor: str, on: UUID) -> None:
    configuration = fold([*GENESIS, *history])
    if configuration.may(aktor, "ADMIN", on):
        assert all(configuration.may(aktor, one, on) for one in PRIVILEGIER)


@given(histories, st.sampled_from(AKTORER))
def test_whoever_is_deactivated_may_nothing_and_gets_nothing_back(history: list[KonfigurasjonEvent], who: str) -> None:
    off = fold([*GENESIS, *history, AktorDeaktivert(fiks_org_id=A, aktor=who), grant(A, who, SERVICE)])
    in_a = {one.id for one in off.virksomhet(A).ressurser.values() if off.ressurs(one.id) == one}
    assert not [one for one in rights(off) if one[0] == who and one[2] in in_a]
    off.meet(AktorAktivert(fiks_org_id=A, aktor=who))
    assert who not in off.virksomhet(A).rettigheter


@given(histories, st.sampled_from(AKTORER), st.sampled_from(IDS), st.sampled_from(PRIVILEGIER))
def test_a_revoked_grant_is_gone(history: list[KonfigurasjonEvent], who: str, on: UUID, what: str) -> None:
    taken = PrivilegieTrukketTilbake(fiks_org_id=A, aktor=who, ressurs_id=on, privilegium=what)
    assert what not in fold([*GENESIS, *history, taken]).virksomhet(A).rettigheter.get(who, {}).get(on, ())


@given(histories)
def test_the_state_of_a_stream_is_stored_and_read_back(history: list[KonfigurasjonEvent]) -> None:
    import msgspec

    state = reduce(evolve, [one for one in history if one.fiks_org_id == A], Virksomhet())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Virksomhet) == state


@given(histories, st.sampled_from(AKTORER), st.sampled_from(IDS))
def test_an_administrator_sees_the_organisation(history: list[KonfigurasjonEvent], aktor: str, on: UUID) -> None:
    typed = TypePrivilegieTildelt(fiks_org_id=ROOT, aktor=aktor, ressurstype="SVARUT", privilegium="ADMIN")
    configuration = fold([*GENESIS, typed, *history])
    ressurs = configuration.ressurs(on)
    if ressurs is not None and ressurs.fiks_org_id != ROOT and configuration.may(aktor, "ADMIN", on):
        assert configuration.sees(aktor, ressurs.fiks_org_id)


def test_rights_go_down_the_tree_and_nowhere_else() -> None:
    now = fold([*GENESIS, grant(A, INTEGRASJON, SERVICE, "SVARUT.SEND")])
    assert now.may(INTEGRASJON, "SVARUT.SEND", SERVICE)
    assert now.may(INTEGRASJON, "SVARUT.SEND", ACCOUNT)
    assert not now.may(INTEGRASJON, "SVARUT.SEND", A)
    assert not now.may(INTEGRASJON, "SVARUT.SEND", OTHERS)
    assert not now.may(INTEGRASJON, "FIKS.KONFIGURER", ACCOUNT)
    assert not now.may(NOBODY, "SVARUT.SEND", ACCOUNT)
    assert not now.may(INTEGRASJON, "SVARUT.SEND", UUID(int=99))


def test_administrators_rule_their_own_and_root_rules_all() -> None:
    now = fold(GENESIS)
    assert [now.may(ADMIN_A, "SVARUT.SEND", on) for on in (A, SERVICE, ACCOUNT, B, OTHERS, ROOT)] == [True] * 3 + [
        False
    ] * 3
    assert all(now.may(OPERATOR, "ADMIN", on) for on in (A, SERVICE, ACCOUNT, B, OTHERS, ROOT))
    assert now.administrates_by_root(OPERATOR, ACCOUNT)
    assert not now.administrates_by_root(ADMIN_A, ACCOUNT)


def test_nobody_gives_rights_on_what_is_anothers() -> None:
    assert not fold([*GENESIS, grant(B, ADMIN_B, ACCOUNT)]).may(ADMIN_B, "ADMIN", ACCOUNT)
    assert not fold([*GENESIS, grant(B, ADMIN_B, ROOT)]).may(ADMIN_B, "ADMIN", ROOT)
    assert not fold([*GENESIS, grant(ROOT, NOBODY, ACCOUNT)]).may(NOBODY, "ADMIN", ACCOUNT)
    stolen = fold([*GENESIS, ressurs(B, 2, OTHERS)])
    assert not stolen.may(ADMIN_B, "ADMIN", ACCOUNT)


def test_nobody_takes_the_id_of_another_organisation() -> None:
    claim = TjenesteInitialisert(fiks_org_id=A, tjeneste="SAK", ressurs_id=B, ressurstype="SAK", navn="Sak")
    for history in ([*GENESIS, claim], [claim, *GENESIS]):
        configuration = fold(history)
        assert configuration.may(ADMIN_B, "ADMIN", B)
        assert not configuration.may(ADMIN_A, "ADMIN", B)


def test_a_right_on_a_type_holds_in_every_organisation_and_below() -> None:
    given_ = TypePrivilegieTildelt(fiks_org_id=ROOT, aktor=NOBODY, ressurstype="SVARUT", privilegium="SVARUT.SEND")
    now = fold([given_, *GENESIS])
    assert [now.may(NOBODY, "SVARUT.SEND", on) for on in (SERVICE, ACCOUNT, OTHERS, A)] == [True, True, True, False]
    now.meet(
        TypePrivilegieTrukketTilbake(fiks_org_id=ROOT, aktor=NOBODY, ressurstype="SVARUT", privilegium="SVARUT.SEND")
    )
    assert not now.may(NOBODY, "SVARUT.SEND", SERVICE)


@given(histories, st.sampled_from(AKTORER), st.sampled_from(TYPER), st.sampled_from(PRIVILEGIER))
def test_a_right_on_a_type_holds_wherever_something_of_it_lies_on_the_way_up_and_for_whom_it_can(
    history: list[KonfigurasjonEvent], who: str, kind: str, what: str
) -> None:
    on_type = {"fiks_org_id": ROOT, "aktor": who, "ressurstype": kind, "privilegium": what}
    without = fold([*GENESIS, *history, TypePrivilegieTrukketTilbake(**on_type)])
    given_ = fold([*GENESIS, *history, TypePrivilegieTildelt(**on_type)])
    off = who in given_.virksomhet(ROOT).inaktive
    for fiks_org_id, virksomhet in given_.virksomheter.items():
        for one in virksomhet.ressurser.values():
            if given_.ressurs(one.id) != one:
                continue
            above = {known.type for up in one.sti if (known := virksomhet.ressurser.get(up))}
            holds = (
                kind in above and not off and who not in virksomhet.inaktive and given_.grants_hold(who, fiks_org_id)
            )
            assert given_.may(who, what, one.id) is (holds or without.may(who, what, one.id))


def test_a_deactivated_actor_loses_root_rights_there_but_not_elsewhere() -> None:
    now = fold([*GENESIS, AktorDeaktivert(fiks_org_id=A, aktor=OPERATOR)])
    assert not now.may(OPERATOR, "ADMIN", ACCOUNT)
    assert now.may(OPERATOR, "ADMIN", OTHERS)


def integrasjon(owner: UUID = A) -> IntegrasjonOpprettet:
    return IntegrasjonOpprettet(
        fiks_org_id=owner, integrasjon_id=MASKIN, autorisert_orgnr="310991007", navn="i", passord_hash="$a$hemmelig"
    )


def test_a_deleted_integration_has_no_rights_anywhere_and_does_not_come_back() -> None:
    gone = IntegrasjonSlettet(fiks_org_id=A, integrasjon_id=MASKIN)
    to_all = GlobalIntegrasjonEndret(fiks_org_id=ROOT, integrasjon_id=MASKIN, er_global=True)
    now = fold([*GENESIS, integrasjon(), to_all, grant(A, INTEGRASJON, ACCOUNT), grant(B, INTEGRASJON, OTHERS)])
    assert now.may(INTEGRASJON, "ADMIN", ACCOUNT)
    assert now.may(INTEGRASJON, "ADMIN", OTHERS)
    for event in (gone, integrasjon(), grant(A, INTEGRASJON, ACCOUNT)):
        now.meet(event)
        assert now.integrasjon(MASKIN) is None
        assert not now.may(INTEGRASJON, "ADMIN", ACCOUNT)
        assert not now.may(INTEGRASJON, "ADMIN", OTHERS)


def test_what_others_gave_an_integration_holds_while_it_is_offered_to_all() -> None:
    def offered(er_global: bool) -> GlobalIntegrasjonEndret:
        return GlobalIntegrasjonEndret(fiks_org_id=ROOT, integrasjon_id=MASKIN, er_global=er_global)

    typed = TypePrivilegieTildelt(
        fiks_org_id=ROOT, aktor=INTEGRASJON, ressurstype="SVARUT", privilegium="FIKS.KONFIGURER"
    )
    granted = (*(grant(of, INTEGRASJON, of, "SVARUT.SEND") for of in (A, B)), typed)
    history = [*GENESIS, integrasjon(), *granted]
    for er_global, held_in_b in ((None, False), (True, True), (False, False), (True, True)):
        history += [offered(er_global)] if er_global is not None else []
        configuration = fold(history)
        assert configuration.may(INTEGRASJON, "SVARUT.SEND", ACCOUNT)
        assert configuration.may(INTEGRASJON, "FIKS.KONFIGURER", ACCOUNT)
        assert configuration.may(INTEGRASJON, "SVARUT.SEND", OTHERS) is held_in_b
        assert configuration.may(INTEGRASJON, "FIKS.KONFIGURER", OTHERS) is held_in_b
        assert configuration.administrates_by_root(INTEGRASJON, OTHERS, "FIKS.KONFIGURER") is held_in_b
        assert (configuration.sees(INTEGRASJON, A), configuration.sees(INTEGRASJON, B)) == (True, held_in_b)
        taken_up = Configuration()
        for stream in configuration.streams():
            taken_up.adopt(stream)
        assert rights(taken_up) == rights(configuration)


def test_only_the_owner_makes_a_password_and_the_newest_counts() -> None:
    now = fold([integrasjon(), PassordLaget(fiks_org_id=A, integrasjon_id=MASKIN, passord_hash="ny")])
    assert now.integrasjon(MASKIN).passord_hash == "ny"
    now.meet(PassordLaget(fiks_org_id=B, integrasjon_id=MASKIN, passord_hash="stjålet"))
    assert now.integrasjon(MASKIN).passord_hash == "ny"


def test_an_account_needs_no_organisation_event_before_it() -> None:
    now = fold([konto(A), grant(A, INTEGRASJON, SERVICE, "SVARUT.SEND")])
    assert now.may(INTEGRASJON, "SVARUT.SEND", SERVICE)
    assert (now.ressurs(SERVICE).type, now.ressurs(SERVICE).fiks_org_id) == ("SVARUT_KONTO", A)


def test_secrets_are_not_in_what_is_printed() -> None:
    assert "hemmelig" not in repr(fold([integrasjon()]).integrasjon(MASKIN))


def test_organisations_are_renamed_with_their_resource() -> None:
    from schemas.konfigurasjon import OrganisasjonEndret

    now = fold([organisasjon(A), OrganisasjonEndret(fiks_org_id=A, navn="Nyvik", epost=("a@example.no",))])
    assert (now.virksomhet(A).organisasjon.navn, now.ressurs(A).navn) == ("Nyvik", "Nyvik")
    assert now.virksomhet(A).organisasjon.orgnr == "310991007"


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
