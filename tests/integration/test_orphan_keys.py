"""Keys of streams that no event tells of are destroyed, and no other ever is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from infra.ends import Ends
from projections.audit import audit
from projections.orphan_keys import streams_in_dead_letters, sweep_keys
from projections.projecting import Projecting
from schemas.konfigurasjon import PersonopplysningerOppgitt
from schemas.topics import TOPICS
from streams.dead_letters import DeadLetters
from streams.domain.errors import Unavailable
from streams.keys import Following
from tests.support.backbone import Backbone, about, mottatt

AT_ONCE, LATER = timedelta(0), timedelta(days=1)


async def alive(system: Backbone) -> set[str]:
    return {row["name"] for row in await system.connection.fetch("select name from nokkel")}


async def until_known(system: Backbone, names: set[str]) -> None:
    while not names <= await alive(system):
        await asyncio.sleep(0.05)


async def test_only_keys_of_streams_that_no_event_tells_of_are_destroyed(system: Backbone) -> None:
    keys, ends = system.log.keys, [Ends(system.settings.kafka, topic) for topic in TOPICS.values()]
    letter = mottatt()
    person = PersonopplysningerOppgitt(
        person_id=uuid4(), fiks_org_id=uuid4(), aktor="person:a", opplysninger_id=uuid4(), navn="Kari"
    )
    used = {(await keys.for_sealing(f"svarut:{letter.forsendelse_id}"))[0]}
    used |= {(await keys.for_sealing(f"konfigurasjon:{person.person_id}"))[0]}
    broken_off = {
        f"dokumentlager:{uuid4()}",
        f"svarut:{letter.forsendelse_id}x",
        f"dokumentlager:{letter.forsendelse_id}",
    }
    spared, foreign = f"dokumentlager:{uuid4()}", f"framtid:{uuid4()}"
    for name in {*broken_off, spared, foreign}:
        await keys.create(name)
    suffixed, _ = await keys.for_sealing(f"konfigurasjon:{uuid4()}")
    for event in (letter, person):
        await system.log.append(event, about(event))

    async def swept(age: timedelta) -> int:
        return await sweep_keys(system.connection, system.log, ends, {spared.partition(":")[2]}, age)

    async with system.worker([Following(system.log)]):
        await until_known(system, used | broken_off | {spared, foreign, suffixed})
        with pytest.raises(Unavailable):  # what was appended is not in the audit trail yet
            await swept(AT_ONCE)
        async with system.worker([Projecting([audit], DeadLetters(system.log), keys)], group="other"):
            await system.until_projected("audit")
        assert await swept(LATER) == 0
        assert await swept(AT_ONCE) == len(broken_off) + 1
        while (broken_off | {suffixed}) & await alive(system):
            await asyncio.sleep(0.05)
        assert await swept(AT_ONCE) == 0
        assert used | {spared, foreign} <= await alive(system)


async def test_keys_of_a_newer_release_alone_are_passed_over(system: Backbone) -> None:
    keys, ends = system.log.keys, [Ends(system.settings.kafka, topic) for topic in TOPICS.values()]
    foreign, known = f"framtid:{uuid4()}", "select from nokkel where not told and name not like 'framtid:%'"
    await keys.create(foreign)

    async def swept() -> int:
        return await sweep_keys(system.connection, system.log, ends, set(), AT_ONCE)

    async with system.worker([Following(system.log), Projecting([audit], DeadLetters(system.log), keys)]):
        await until_known(system, {foreign})
        await system.until_projected("audit")
        await swept()
        while await system.connection.fetch(known):
            await asyncio.sleep(0.05)
        assert await swept() == 0


async def test_of_which_streams_dead_letters_are(system: Backbone) -> None:
    stream = str(uuid4())
    where = {"role": "projections", "reason": "x", "topic": "fiks.svarut", "partition": "0", "offset": "0"}
    headers = [(f"fiks_dlq_{name}", value.encode()) for name, value in where.items()]
    await system.log.send(TOPICS["fiks.svarut"].dead_letters, stream, b"nothing that can be read", headers)

    assert stream in await asyncio.to_thread(streams_in_dead_letters, system.settings.kafka)
