"""Personal text on the log: never readable without its key, whole with it, and ERASED once the key is gone."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from infra.crypto.fields import FieldCipher
from infra.crypto.segments import Tampered
from schemas.catalogue import event_type, event_types
from schemas.codec import decode, encode
from schemas.konfigurasjon import PersonEndret, PersonRegistrert
from schemas.personal import (
    ERASED,
    SEALED,
    Place,
    holds_personal,
    map_personal,
    name_of_key,
    opened,
    seal,
)
from schemas.svarut import Adresse, ForsendelseMottatt, LestMeldt
from tests.support.backbone import mottatt
from tests.support.events import of

KEY = FieldCipher(bytes(32))
OTHER = FieldCipher(bytes([1] * 32))
WITH_PERSONAL = sorted(name for name, kind in event_types().items() if holds_personal(kind.cls))
any_personal = st.sampled_from(WITH_PERSONAL).flatmap(lambda name: of(event_types()[name].cls))
names = st.sampled_from(["", "#k"])


def place_of(event: Any) -> Place:
    kind = event_type(event)
    return Place(kind.name, kind.key_id(kind.stream(event)))


def texts(event: Any) -> list[str]:
    found = []
    map_personal(event, lambda text, _: found.append(text) or text)
    return found


def sealed(event: Any, suffix: str = "", cipher: FieldCipher = KEY, within: str = "1") -> Any:
    place = place_of(event)
    return seal(event, place, place.key_id + suffix, cipher, within)


def test_there_are_events_with_personal_text() -> None:
    assert {"ForsendelseMottatt", "LestMeldt", "MottakFeilet", "PersonRegistrert", "PersonEndret"} <= set(WITH_PERSONAL)


@given(any_personal)
def test_a_shown_event_shows_none_of_its_personal_texts(event: Any) -> None:
    """A bug can put it into the message of an exception, and that lands in a log."""
    marked = map_personal(event, lambda text, _: text and f"Kari {text}")
    assert "Kari" not in repr(marked)
    assert f"{type(event).__name__}(" in repr(marked)


def test_a_shown_event_shows_the_rest() -> None:
    person = UUID(int=1)
    event = PersonEndret(person_id=person, aktor="root", navn="Kari Nordmann")
    shown = f"PersonEndret(person_id={person!r}, aktor='root', navn=***, tittel=None, telefon=None, epost=None)"
    assert repr(event) == shown


@pytest.mark.parametrize("name", WITH_PERSONAL)
@given(data=st.data(), suffix=names)
def test_what_was_sealed_comes_back_from_the_log(name: str, data: st.DataObject, suffix: str) -> None:
    event = data.draw(of(event_types()[name].cls))
    place = place_of(event)
    on_the_log = decode(encode(sealed(event, suffix)))
    assert name_of_key(on_the_log, place) in {place.key_id + suffix, None}
    assert opened(on_the_log, place, {place.key_id + suffix: KEY}) == event


@pytest.mark.parametrize("name", WITH_PERSONAL)
@given(data=st.data())
def test_no_personal_text_is_in_the_bytes(name: str, data: st.DataObject) -> None:
    event = data.draw(of(event_types()[name].cls))
    marked = map_personal(event, lambda text, path: f"hemmelig {path} {text}")
    value = encode(sealed(marked))
    assert b"hemmelig" not in value
    assert all(text.encode() not in value for text in texts(marked))


@pytest.mark.parametrize("name", WITH_PERSONAL)
@given(data=st.data())
def test_without_the_key_every_personal_text_reads_as_erased_and_nothing_else_changes(
    name: str, data: st.DataObject
) -> None:
    event = data.draw(of(event_types()[name].cls))
    read = opened(decode(encode(sealed(event))), place_of(event), {})
    assert read == map_personal(event, lambda _text, _path: ERASED)


@given(any_personal)
def test_what_was_put_on_the_log_in_the_clear_opens_as_it_is(event: Any) -> None:
    assume(not any(text.startswith(SEALED) for text in texts(event)))
    assert opened(event, place_of(event), {}) == event
    assert name_of_key(event, place_of(event)) is None


@given(any_personal, st.data())
def test_fields_that_became_personal_later_are_read_as_they_are_and_erased_with_the_rest(
    event: Any, data: st.DataObject
) -> None:
    assume(len(texts(event)) > 1 and not any(text.startswith(SEALED) for text in texts(event)))
    place, clear = place_of(event), iter(texts(event))
    in_clear = iter(data.draw(st.lists(st.booleans(), min_size=len(texts(event)), max_size=len(texts(event)))))
    mixed = map_personal(sealed(event), lambda text, _: next(clear) if next(in_clear) else (next(clear), text)[1])
    assume(name_of_key(mixed, place) is not None)
    assert opened(mixed, place, {place.key_id: KEY}) == event
    assert opened(mixed, place, {}) == map_personal(event, lambda _text, _path: ERASED)


@given(any_personal)
def test_text_that_looks_sealed_is_sealed_like_any_other(event: Any) -> None:
    looks = map_personal(event, lambda text, _: f"{SEALED}:{text}")
    place = place_of(event)
    assert opened(sealed(looks), place, {place.key_id: KEY}) == looks


@given(any_personal)
def test_the_same_event_is_sealed_as_the_same_bytes_and_another_shows_nothing_alike(event: Any) -> None:
    assert sealed(event) == sealed(event)
    assert not set(texts(sealed(event))) & set(texts(sealed(event, within="2")))


@given(any_personal)
def test_another_key_opens_nothing(event: Any) -> None:
    assume(texts(event))
    place = place_of(event)
    with pytest.raises(Tampered):
        opened(sealed(event), place, {place.key_id: OTHER})


def test_a_text_opens_in_its_own_place_alone() -> None:
    event = mottatt(eksponert_for=("15819000066", "15819000067"), mottaker=Adresse(navn="Kari", poststed="Oslo"))
    place, secret = place_of(event), sealed(event)
    ciphers = {place.key_id: KEY}
    moved = [
        msgspec.structs.replace(secret, tittel=secret.mottaker.navn),
        msgspec.structs.replace(secret, eksponert_for=secret.eksponert_for[::-1]),
    ]
    for one in moved:
        with pytest.raises(Tampered):
            opened(one, place, ciphers)
    stranger = Place(place.type, event_type(event).key_id(str(uuid4())))
    for elsewhere in (stranger, Place("LestMeldt", place.key_id)):
        with pytest.raises(Tampered):
            opened(secret, elsewhere, {elsewhere.key_id: KEY})


@given(st.sampled_from([ForsendelseMottatt, LestMeldt, PersonRegistrert, PersonEndret]).flatmap(of), st.data())
def test_a_changed_character_of_a_sealed_text_is_found(event: Any, data: st.DataObject) -> None:
    assume(texts(event))
    place, victim = place_of(event), data.draw(st.integers(0, len(texts(event)) - 1))
    count = -1

    def damage(text: str, _path: str) -> str:
        nonlocal count
        count += 1
        if count != victim:
            return text
        at = data.draw(st.integers(len(SEALED) + 1, len(text) - 5))  # not its last bits, which base64 ignores
        return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]

    damaged = map_personal(sealed(event), damage)
    assume(damaged != sealed(event))
    with pytest.raises(Tampered):
        opened(damaged, place, {place.key_id: KEY})
