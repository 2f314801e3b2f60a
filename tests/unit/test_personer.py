"""Persons as organisations know them: of one nothing is told by the other, and it does not matter what is met first."""

from typing import Any, get_args
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import event_type
from schemas.konfigurasjon import (
    ROOT,
    PersonEndret,
    PersonopplysningerEndret,
    PersonopplysningerOppgitt,
    PersonOpprettet,
    PersonRegistrert,
)
from schemas.personal import ERASED, Place, open_kept, seal
from streams.domain.konfigurasjon_commands import evolve, konfigurasjon
from streams.domain.personer import FIELDS, Person, Personer, PersonEvent, person_id
from tests.support.konfigurasjon import GENESIS, A, B, fold

KARI, OLA = "person:kari", "person:ola"
FNR = "09477211183"


def said(of: UUID, aktor: str, number: int, **texts: str) -> PersonopplysningerOppgitt:
    return PersonopplysningerOppgitt(
        person_id=person_id(of, aktor), fiks_org_id=of, aktor=aktor, opplysninger_id=UUID(int=number), **texts
    )


def counts(kind: type, of: UUID, aktor: str, number: int) -> Any:
    return kind(fiks_org_id=of, aktor=aktor, opplysninger_id=UUID(int=number))


def texts(person: Person | None) -> dict[str, str] | None:
    """What is said of the person; without a name that is the empty one."""
    return person and {name: text for name in FIELDS if (text := getattr(person, name))}


TEXTS = {name: st.none() | st.sampled_from([f"{name}-{number}" for number in range(3)]) for name in FIELDS}
ABOUT = {
    "of": st.sampled_from([A, B, ROOT]),
    "aktor": st.sampled_from([KARI, OLA]),
    "number": st.integers(0, 4),
}
any_said = st.builds(said, **ABOUT, **TEXTS)
any_count = st.builds(counts, st.sampled_from(get_args(PersonOpprettet | PersonopplysningerEndret)), **ABOUT)
any_old = st.builds(PersonRegistrert, person_id=st.uuids(), aktor=ABOUT["aktor"], fnr=st.just(FNR), navn=st.text())
histories = st.lists(any_said | any_count | any_old, max_size=25)


def known(history: list[Any]) -> dict[tuple[UUID, str], Any]:
    personer = Personer()
    for event in history:
        personer.meet(event)
    return {(of, who): texts(personer.person(of, who)) for of in (A, B, ROOT) for who in (KARI, OLA)}


def without_others(history: list[Any], of: UUID) -> list[Any]:
    """What the organisation said, and the old events, which none of them did."""
    return [one for one in history if getattr(one, "fiks_org_id", of) == of]


@given(histories)
def test_what_an_organisation_is_shown_depends_on_what_it_said_alone(history: list[Any]) -> None:
    every = known(history)
    for of in (A, B, ROOT):
        alone = known(without_others(history, of))
        assert {at: shown for at, shown in every.items() if at[0] == of} == {
            at: shown for at, shown in alone.items() if at[0] == of
        }


@given(histories)
def test_it_does_not_matter_whether_the_texts_or_what_counts_is_met_first(history: list[Any]) -> None:
    first = [one for one in history if isinstance(one, PersonopplysningerOppgitt)]
    others = [one for one in history if not isinstance(one, PersonopplysningerOppgitt)]
    assert known(first + others) == known(others + first) == known(history)


@given(histories, st.data())
def test_an_event_that_comes_again_changes_nothing(history: list[Any], data: st.DataObject) -> None:
    unique = list({(type(one), getattr(one, "opplysninger_id", None), one.aktor): one for one in history}.values())
    again = data.draw(st.lists(st.sampled_from(unique), max_size=5)) if unique else []
    assert known([*unique, *again]) == known(unique)


def test_it_counts_once_the_organisation_says_so_and_only_of_what_was_said_there() -> None:
    history = [said(A, KARI, 1, fnr=FNR, navn="Kari")]
    assert known(history)[A, KARI] is None
    stolen = [*history, counts(PersonOpprettet, B, KARI, 1), counts(PersonOpprettet, A, OLA, 1)]
    assert set(known(stolen).values()) == {None}
    assert known([*history, counts(PersonOpprettet, A, KARI, 1)])[A, KARI] == {"fnr": FNR, "navn": "Kari"}


def test_creating_fills_what_is_missing_and_changing_takes_its_place() -> None:
    history = [
        said(A, KARI, 1, fnr=FNR),
        counts(PersonOpprettet, A, KARI, 1),
        said(A, KARI, 2, fnr=FNR, navn="Kari"),
        counts(PersonOpprettet, A, KARI, 2),
        said(A, KARI, 3, fnr=FNR, navn="En annen"),
        counts(PersonOpprettet, A, KARI, 3),
    ]
    assert known(history)[A, KARI] == {"fnr": FNR, "navn": "Kari"}
    history += [said(A, KARI, 4, navn="Kari Ny", epost="k@example.no"), counts(PersonopplysningerEndret, A, KARI, 4)]
    assert known(history)[A, KARI] == {"fnr": FNR, "navn": "Kari Ny", "epost": "k@example.no"}
    assert known(history)[B, KARI] is None


def test_of_the_old_events_only_the_number_counts_and_only_for_who_has_given_a_right() -> None:
    old = PersonRegistrert(person_id=UUID(int=7), aktor=KARI, fnr=FNR, navn="Kari")
    personer = fold([old, PersonEndret(person_id=UUID(int=7), aktor=KARI, epost="k@example.no")]).personer
    assert personer.person(A, KARI) is None
    assert [*personer.known_in(A), *personer.knowing(KARI)] == []
    assert personer.number(A, KARI) == FNR
    assert personer.number(A, OLA) is None


def test_the_persons_that_an_organisation_knows() -> None:
    personer = fold(
        [
            said(A, KARI, 1, fnr=FNR),
            counts(PersonOpprettet, A, KARI, 1),
            said(B, OLA, 2, fnr=FNR),
            counts(PersonOpprettet, B, OLA, 2),
            said(B, KARI, 3, fnr=FNR),
        ]
    ).personer
    assert [one.aktor for one in personer.known_in(A)] == [KARI]
    assert [one.aktor for one in personer.known_in(B)] == [OLA]
    assert [one.fiks_org_id for one in personer.knowing(KARI)] == [A]
    assert [one.id for one in personer.knowing(KARI)] == [person_id(A, KARI)]


def test_each_organisation_has_a_stream_and_so_a_key_of_its_own_for_a_person() -> None:
    streams = {event_type(one).stream(one) for one in (said(of, who, 1) for of in (A, B, ROOT) for who in (KARI, OLA))}
    assert len(streams) == 6


class Reversing:
    """A cipher that can be undone where it was done."""

    def seal(self, text: str, bound_to: bytes, within: str) -> str:
        return bound_to.hex() + text[::-1]

    def open(self, sealed: str, bound_to: bytes) -> str:
        assert sealed.startswith(bound_to.hex())
        return sealed.removeprefix(bound_to.hex())[::-1]


def test_texts_keep_the_place_to_which_they_were_sealed() -> None:
    event = said(A, KARI, 1, fnr=FNR, navn="Kari")
    kind = event_type(event)
    place = Place(kind.name, kind.key_id(kind.stream(event)))
    sealed = seal(event, place, place.key_id, Reversing(), "id")
    person = fold([sealed, counts(PersonOpprettet, A, KARI, 1)]).person(A, KARI)
    assert FNR not in person.fnr
    assert [open_kept(one, {place.key_id: Reversing()}) for one in (person.fnr, person.navn)] == [FNR, "Kari"]
    others = Place(kind.name, kind.key_id(str(person_id(B, KARI))))
    assert open_kept(person.fnr, {others.key_id: Reversing()}) == ERASED


def test_persons_change_nothing_of_who_may_what() -> None:
    before = fold(GENESIS)
    events = [said(A, KARI, 1, fnr=FNR, navn="Kari"), counts(PersonOpprettet, A, KARI, 1)]
    assert fold([*GENESIS, *events]).virksomheter == before.virksomheter
    for event in events:
        assert evolve(konfigurasjon.initial, event) == konfigurasjon.initial


def test_nothing_of_a_person_is_printed() -> None:
    person = fold([said(A, KARI, 1, fnr=FNR, navn="Kari"), counts(PersonOpprettet, A, KARI, 1)]).personer.person(
        A, KARI
    )
    assert not [one for one in (FNR, "Kari") if one in repr(person)]


def test_every_event_of_persons_is_met_here() -> None:
    assert set(get_args(PersonEvent)) == {
        PersonRegistrert,
        PersonEndret,
        PersonopplysningerOppgitt,
        PersonOpprettet,
        PersonopplysningerEndret,
    }
