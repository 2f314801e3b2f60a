"""What is wrong with a forsendelse, in words for whoever sent it. No content of the forsendelse is repeated.

Senders stop trying again when they meet one of the fragments of contract section 5 (``Ugyldig innhold``,
``Feil under lesing av``, ``Kan ikke lagre tomt dokument``), so a fault that may pass must not contain them.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.forsendelse import MOST_DOKUMENTER
from schemas.svarut import Feil, Feilkode

TOLD = 10

TEXTS = {
    Feilkode.UGYLDIG_MOTTAKER: "Ugyldig innhold: nummeret er ikke et fødselsnummer, d-nummer eller organisasjonsnummer",
    Feilkode.MANGLER_ADRESSE: "Ugyldig innhold: postadressen er ikke fullstendig",
    Feilkode.UGYLDIG_FILNAVN: "Ugyldig innhold: filnavnet er tomt, brukt to ganger eller har tegn som ikke er lov",
    Feilkode.DOKUMENT_MANGLER: "Ugyldig innhold: dokumentet er oppgitt, men filen er ikke sendt",
    Feilkode.UKJENT_DOKUMENT: "Ugyldig innhold: filen er sendt, men ikke oppgitt blant dokumentene",
    Feilkode.FOR_MANGE_DOKUMENTER: f"Ugyldig innhold: en forsendelse kan ha høyst {MOST_DOKUMENTER} dokumenter",
    Feilkode.FOR_STOR_FORSENDELSE: "Ugyldig innhold: det som skal skrives ut, er større enn 350 MB",
    Feilkode.TOMT_DOKUMENT: "Kan ikke lagre tomt dokument",
    Feilkode.UGYLDIG_PDF: "Feil under lesing av dokument: filen er ikke en gyldig PDF, eller den har ingen sider",
    Feilkode.PASSORDBESKYTTET_PDF: "Feil under lesing av dokument: PDF-en er passordbeskyttet",
    Feilkode.KAN_IKKE_SKRIVES_UT: "Ugyldig innhold: bare PDF kan skrives ut, og giroarkSider må være sider den har",
    Feilkode.MA_KRYPTERES: "Ugyldig innhold: når kryptert er satt, og på nivå 4, må filene være kryptert for oss (CMS)",
    Feilkode.UFULLSTENDIG_OPPLASTING: "Opplastingen ble ikke fullført. Prøv igjen",
    Feilkode.UGYLDIG_SIGNERING: "Ugyldig innhold: signeringsoppdraget er ikke gyldig",
    Feilkode.UGYLDIG_SVARADRESSE: "Ugyldig innhold: svarlenke krever en adresse med organisasjonsnummer",
    Feilkode.UGYLDIG_LENKE: "Ugyldig innhold: lenken er ikke en gyldig nettadresse",
}


def in_words(faults: Sequence[Feil]) -> str:
    """The faults as one text, with the field or the document that each was found at; of very many the first ones."""
    told = [TEXTS[fault.kode] + _at(fault.sted) for fault in faults[:TOLD]]
    return ". ".join(told if len(faults) <= TOLD else [*told, f"Og {len(faults) - TOLD} feil til"])


def codes_in_words(codes: str) -> str:
    """Fault codes, separated by commas, as one text. One that a newer release knows shows as its name."""
    return ". ".join(TEXTS[Feilkode(code)] if code in Feilkode.__members__ else code for code in codes.split(","))


def _at(sted: str | None) -> str:
    if sted is None:
        return ""
    return f" (dokument {sted})" if sted.isdigit() else f" ({sted})"
