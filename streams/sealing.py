"""Seals the personal texts of events on their way to the log, and opens them for who may read: a whole batch at once.

Deciders do not open: what is decided must not depend on what can be erased (DESIGN.md, rules 3 and 8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from infra.crypto.fields import FieldCipher
from infra.crypto.segments import Tampered
from infra.keys import Keys
from schemas.catalogue import event_type
from schemas.envelope import Envelope
from schemas.errors import Unreadable
from schemas.personal import Place, holds_personal, name_in_kept, name_of_key, open_kept, opened, seal


def place_of(at: Envelope) -> Place:
    """What the texts of the event with this envelope are bound to."""
    return Place(at.type, event_type(at.type).key_id(at.stream))


async def sealed(keys: Keys, events: Sequence[tuple[object, Envelope]]) -> list[Any]:
    """The events as they may lie on the log; each key that is used is durable. Raises Unavailable."""
    places = {at.id: place_of(at) for event, at in events if holds_personal(type(event))}
    if not places:
        return [event for event, _ in events]
    ids = sorted({place.key_id for place in places.values()})
    if len(ids) == 1:  # as of whatever one call says: nothing to do at the same time
        known = {ids[0]: await keys.for_sealing(ids[0])}
    else:
        known = dict(zip(ids, await asyncio.gather(*map(keys.for_sealing, ids)), strict=True))
    ciphers = {name: FieldCipher(key) for name, key in known.values()}
    return [_sealed(event, at.id, places.get(at.id), known, ciphers) for event, at in events]


def _sealed(
    event: object, id_: str, place: Place | None, known: dict[str, tuple[str, bytes]], ciphers: dict[str, FieldCipher]
) -> object:
    if place is None:
        return event
    name, _ = known[place.key_id]
    return seal(event, place, name, ciphers[name], id_)


async def opened_all(keys: Keys, events: Sequence[tuple[Any, Envelope]]) -> list[Any]:
    """The events (or views of them) in the clear, ERASED where the key is gone; one query for all.

    Raises Unavailable, and Unreadable when a text is not as it was sealed.
    """
    return await opened_at(keys, [(event, place_of(at)) for event, at in events])


async def opened_at(keys: Keys, events: Sequence[tuple[Any, Place]]) -> list[Any]:
    """As ``opened_all``, of texts that are known by their place."""
    names = {name_of_key(event, place) for event, place in events} - {None}
    ciphers = await _ciphers(keys, names)  # type: ignore[arg-type]  # None is not among them
    try:
        return [opened(event, place, ciphers) for event, place in events]
    except Tampered as fault:
        raise Unreadable(str(fault)) from fault


async def opened_texts(keys: Keys, texts: Collection[str]) -> dict[str, str]:
    """What texts that were ``kept`` say, by what they were kept as; otherwise as ``opened_all``."""
    ciphers = await _ciphers(keys, {name for one in texts if (name := name_in_kept(one)) is not None})
    try:
        return {one: open_kept(one, ciphers) for one in texts}
    except Tampered as fault:
        raise Unreadable(str(fault)) from fault


async def _ciphers(keys: Keys, names: set[str]) -> dict[str, FieldCipher]:
    return {name: FieldCipher(key) for name, key in (await keys.get_many(names)).items()} if names else {}
