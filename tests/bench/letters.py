"""A read model with personal texts, for the rebuild benchmark: ``svarut_status`` and the title and recipient beside it.

As a program it is a process of a rebuild that knows this projection.
"""

from __future__ import annotations

from uuid import UUID

from projections import svarut_status as plain
from projections.projection import Append, Projection, Write
from projections.rebuild_process import main
from schemas.catalogue import Personal, part
from schemas.envelope import Envelope
from schemas.svarut import Adresse, ForsendelseMottatt, Grensesnitt

TABLE = """
create table svarut_letter (
    forsendelse_id uuid primary key,
    tittel text not null,
    mottaker text not null
);
"""
SQL = f"-- name: tables\n{plain.svarut_status.tables}{TABLE}\n-- name: indexes\n{plain.svarut_status.indexes}"

letters = Projection("bench_letters", logic=1, topics=("fiks.svarut",), sql=SQL)
letters.handlers |= plain.svarut_status.handlers
letters.envelope_handlers |= plain.svarut_status.envelope_handlers


@part
class Letter:
    """What is shown of a letter."""

    forsendelse_id: UUID
    fiks_org_id: UUID
    konto_id: UUID
    ekstern_referanse: str | None = None
    avgivende_system: str | None = None
    integrasjon_id: UUID
    grensesnitt: Grensesnitt
    tittel: Personal[str]
    mottaker: Adresse


@letters.on(ForsendelseMottatt, reads=Letter)
def mottatt(event: Letter, at: Envelope) -> tuple[Write, ...]:
    """The rows of the status, and one with the texts."""
    navn, sted = event.mottaker.navn, event.mottaker.poststed
    row = (event.forsendelse_id, event.tittel, f"{navn}, {sted}")
    return *plain.mottatt(event, at), Append("svarut_letter", row)  # type: ignore[arg-type]  # it has those fields too


if __name__ == "__main__":
    main()
