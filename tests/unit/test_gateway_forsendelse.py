"""From the metadata of a send call to the fact, and what is refused on the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.faults import TEXTS, codes_in_words, in_words
from gateway.forsendelse import (
    MOST_DOKUMENTER,
    MOST_TO_PRINT,
    Forsendelse,
    Received,
    faults_in,
    faults_in_sizes,
    mottatt,
)
from gateway.metadata import read_json
from schemas.codec import decode, encode
from schemas.errors import Unreadable
from schemas.svarut import Dokument, Feil, Feilkode, ForsendelseMottatt, Noark, Signering

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PERSON, ORGANISATION = "01010700066", "974760673"
MOTTAKER = {"navn": "Kari", "digitalId": PERSON, "poststed": "Oslo", "postnummer": "0192"}
SVAR = {"navn": "Postmottak", "digitalId": ORGANISATION, "poststed": "Oslo", "postnummer": "0192"}
A = {"filnavn": "a.pdf", "mimeType": "application/pdf"}
KNOWN = {name: uuid4() for name in ("forsendelse_id", "fiks_org_id", "konto_id", "integrasjon_id")}


def read(**changes: Any) -> Forsendelse:
    said = {"tittel": "T", "mottaker": MOTTAKER, "dokumenter": [A]} | changes
    return read_json(json.dumps(said).encode(), Forsendelse)


def faults(**changes: Any) -> list[tuple[Feilkode, str | None]]:
    return [(one.kode, one.sted) for one in faults_in(read(**changes), NOW)]


def said(sent: Forsendelse, *received: Received, faults: tuple[Feil, ...] = ()) -> ForsendelseMottatt:
    return mottatt(sent, received, faults, **KNOWN)


def test_every_field_reaches_the_log() -> None:
    noark = {
        "mappeId": "m", "mappeSystemId": "ms", "systemId": "s", "registreringsId": "r", "saksaar": 2026,
        "journalaar": 2025, "sakssekvensnummer": 2**63 - 1, "journalpostnummer": 2, "journalsekvensnummer": 3,
        "journalposttype": "U", "journalstatus": "J", "tittel": "t", "saksbehandler": "Kari",
        "dokumentetsDato": "2024-01-16T18:39:11.123456789+01:00", "journaldato": "2024-01-16T18:39:11Z",
        "ekstraMetadata": [{"key": "k", "value": "v"}],
    }  # fmt: skip
    dokument = A | {
        "skalSigneres": True, "dokumentType": "brev", "giroarkSider": [1, 2], "skalEkskluderesFraUtskrift": True,
        "ekstraMetadata": [{"key": "k", "value": "v"}], "inneholderPersonsensitivInformasjon": True,
    }  # fmt: skip
    sent = read(
        mottaker=MOTTAKER | {"adresselinje1": "1", "adresselinje2": "2", "adresselinje3": "3", "land": "Norge"},
        eksponertFor=[PERSON], avgivendeSystem="sys", avgivendeSystemAktor="Ola", konteringskode="K-1_æ.",
        kunDigitalLevering=True, kryptert=True, utskriftskonfigurasjon={"utskriftMedFarger": True, "tosidig": True},
        krevNiva4Innlogging=True, metadataFraAvleverendeSystem=noark, metadataForImport=noark, svarSendesTil=SVAR,
        svarPaForsendelse=str(KNOWN["konto_id"]), dokumenter=[dokument], forsendelsestype="ks.byggesøknad",
        lenker=[{"url": "https://ks.no", "tekst": "t", "ledetekst": "l"}], eksternReferanse="ref",
        korrelasjonsid="kor", svarPaForsendelseLink=True, signeringUtloper="2027-01-01T00:00:00Z",
        signaturType="AVANSERT_SIGNATUR", taushetsbelagtPost=True,
    )  # fmt: skip

    event = said(sent, Received(3, "abc", "blob"))

    measured = {"mottakersystem_id", "reservert", "digital_postkasse", "lesefrist_timer", "videresendes_ulest",
                "manuell_utskrift", "feil"}  # fmt: skip
    unset = {
        field.name
        for field in msgspec.structs.fields(ForsendelseMottatt)
        if not field.required and getattr(event, field.name) in (None, (), False)
    }
    assert unset <= measured
    assert decode(encode(event)) == event
    assert isinstance(event.metadata_for_import, Noark)
    assert event.metadata_for_import.sakssekvensnummer == 2**63 - 1
    assert event.signering == Signering(utloper=datetime(2027, 1, 1, tzinfo=UTC), type="AVANSERT_SIGNATUR")
    assert event.dokumenter == (
        Dokument(
            filnavn="a.pdf", mime_type="application/pdf", storrelse=3, sha256="abc", blob="blob", skal_signeres=True,
            dokument_type="brev", giroark_sider=(1, 2), skal_ekskluderes_fra_utskrift=True,
            ekstra_metadata=event.metadata_for_import.ekstra_metadata, inneholder_personsensitiv_informasjon=True,
        ),
    )  # fmt: skip


def test_null_is_as_absent_at_every_depth() -> None:
    optional = {one.encode_name for one in msgspec.structs.fields(Forsendelse) if not one.required} - {"dokumenter"}
    nulls = {"filnavn": "a.pdf", "mimeType": "application/pdf", "giroarkSider": None, "skalSigneres": None}

    assert read(**dict.fromkeys(optional), dokumenter=[nulls]) == read()


def test_unknown_fields_are_passed_over() -> None:
    assert read(nyttFelt={"a": [1]}, mottaker=MOTTAKER | {"epost": "a@b.no"}) == read()


@pytest.mark.parametrize(
    ("content", "charset"),
    [
        ('{"tittel": "æ", "mottaker": {"navn": "å"}}'.encode(), None),
        ('{"tittel": "æ", "mottaker": {"navn": "å"}}'.encode("utf-8-sig"), "UTF-8"),
        ('{"tittel": "æ", "mottaker": {"navn": "å"}}'.encode("latin-1"), "ISO-8859-1"),
    ],
)
def test_charsets(content: bytes, charset: str | None) -> None:
    assert read_json(content, Forsendelse, charset).tittel == "æ"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tittel": None}, "tittel mangler"),
        ({"mottaker": {}}, "mottaker.navn mangler"),
        ({"tittel": 1}, "tittel "),
        ({"tittel": "x" * 1001}, "tittel "),
        ({"tittel": "a\0"}, "tittel "),
        ({"kryptert": "true"}, "kryptert "),
        ({"konteringskode": "a b"}, "konteringskode "),
        ({"konteringskode": "x" * 21}, "konteringskode "),
        ({"avgivendeSystem": "x" * 101}, "avgivendeSystem "),
        ({"eksternReferanse": "x" * 101}, "eksternReferanse "),
        ({"svarPaForsendelse": "ikke-uuid"}, "svarPaForsendelse "),
        ({"signeringUtloper": "2027-01-01T00:00:00"}, "signeringUtloper "),
        ({"signeringUtloper": "0001-01-01T00:00:00+01:00"}, ""),
        ({"signaturType": "NY_SIGNATUR"}, "signaturType "),
        ({"lenker": [{"url": "https://ks.no", "tekst": "t"}] * 6}, "lenker "),
        ({"lenker": [{"url": "https://ks.no"}]}, "lenker[0].tekst mangler"),
        ({"dokumenter": {}}, "dokumenter "),
        ({"dokumenter": [A | {"filnavn": "x" * 227}]}, "filnavn "),
        ({"dokumenter": [{"filnavn": "a"}]}, "mimeType mangler"),
        ({"dokumenter": [A | {"mimeType": "text/plain\r\nX: y"}]}, "mimeType "),
        ({"dokumenter": [A | {"mimeType": "text/plain\x7f"}]}, "mimeType "),
        ({"dokumenter": [A | {"giroarkSider": [2**31]}]}, "giroarkSider"),
        ({"metadataForImport": {"saksaar": 2**40}}, "metadataForImport.saksaar "),
        ({"metadataForImport": {"journalpostnummer": 2**63}}, "metadataForImport.journalpostnummer "),
    ],
)
def test_what_the_schema_refuses_is_unreadable_and_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Unreadable, match="Ugyldig innhold") as refused:
        read(**changes)

    assert named in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b'"x"', b"[" * 5000, b'{"a":"\xff"}', b'{"tittel":"\\ud800"}']
)
def test_what_is_no_json_object_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(content, Forsendelse)


def test_an_unknown_charset_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read_json(b"{}", Forsendelse, "punycode")


def test_nothing_is_wrong_with_an_ordinary_letter() -> None:
    assert faults() == []
    assert faults(mottaker=MOTTAKER | {"digitalId": None}) == []
    assert faults(mottaker={"navn": "Kari", "digitalId": PERSON}, kunDigitalLevering=True) == []
    assert faults(mottaker=MOTTAKER | {"postnummer": None, "land": "Sverige"}) == []
    assert faults(dokumenter=None) == []


SIGNED = {"dokumenter": [A | {"skalSigneres": True}], "svarSendesTil": SVAR, "signaturType": "AVANSERT_SIGNATUR"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mottaker": MOTTAKER | {"digitalId": "01010112345"}}, (Feilkode.UGYLDIG_MOTTAKER, "mottaker.digitalId")),
        ({"mottaker": {"navn": "Kari"}, "kunDigitalLevering": True}, (Feilkode.UGYLDIG_MOTTAKER, "mottaker.digitalId")),
        ({"eksponertFor": [PERSON, "123"]}, (Feilkode.UGYLDIG_MOTTAKER, "eksponertFor")),
        ({"mottaker": {"navn": "Kari", "poststed": "Oslo"}}, (Feilkode.MANGLER_ADRESSE, "mottaker")),
        ({"mottaker": MOTTAKER | {"postnummer": None, "land": "Norge"}}, (Feilkode.MANGLER_ADRESSE, "mottaker")),
        ({"svarSendesTil": {"navn": "P"}}, (Feilkode.MANGLER_ADRESSE, "svarSendesTil")),
        ({"svarPaForsendelseLink": True}, (Feilkode.UGYLDIG_SVARADRESSE, "svarSendesTil")),
        ({"krevNiva4Innlogging": True}, (Feilkode.MA_KRYPTERES, None)),
        ({"dokumenter": [A | {"filnavn": ""}]}, (Feilkode.UGYLDIG_FILNAVN, "1")),
        ({"dokumenter": [A | {"filnavn": ".."}]}, (Feilkode.UGYLDIG_FILNAVN, "1")),
        ({"dokumenter": [A | {"filnavn": " . "}]}, (Feilkode.UGYLDIG_FILNAVN, "1")),
        ({"dokumenter": [A | {"filnavn": "a/b.pdf"}]}, (Feilkode.UGYLDIG_FILNAVN, "1")),
        ({"dokumenter": [A, A | {"filnavn": "A.PDF"}]}, (Feilkode.UGYLDIG_FILNAVN, "2")),
        ({"dokumenter": [A | {"mimeType": "image/png"}]}, (Feilkode.KAN_IKKE_SKRIVES_UT, "1")),
        ({"dokumenter": [A | {"giroarkSider": [0]}]}, (Feilkode.KAN_IKKE_SKRIVES_UT, "1")),
        ({"lenker": [{"url": "ks.no", "tekst": "t"}]}, (Feilkode.UGYLDIG_LENKE, "lenker")),
        (SIGNED | {"dokumenter": [A]}, (Feilkode.UGYLDIG_SIGNERING, "skalSigneres")),
        (SIGNED | {"signeringUtloper": "2026-11-26T11:59:59Z"}, (Feilkode.UGYLDIG_SIGNERING, "signeringUtloper")),
        (SIGNED | {"svarSendesTil": None}, (Feilkode.UGYLDIG_SIGNERING, "svarSendesTil")),
        (SIGNED | {"mottaker": SVAR}, (Feilkode.UGYLDIG_SIGNERING, "mottaker.digitalId")),
    ],
)  # fmt: skip
def test_what_the_rules_in_words_refuse_is_a_fault(changes: dict[str, Any], expected: tuple[Feilkode, str]) -> None:
    assert faults(**changes) == [expected]


def test_a_signing_assignment_of_at_least_a_day_is_right() -> None:
    assert faults(**SIGNED, signeringUtloper=(NOW + timedelta(days=1)).isoformat()) == []


def test_too_many_documents_are_a_fault_and_the_event_stays_small() -> None:
    sent = read(dokumenter=[A | {"filnavn": f"{number}.pdf"} for number in range(MOST_DOKUMENTER + 1)])

    assert [one.kode for one in faults_in(sent, NOW)] == [Feilkode.FOR_MANGE_DOKUMENTER]
    assert len(said(sent, *[Received()] * (MOST_DOKUMENTER + 1)).dokumenter) == MOST_DOKUMENTER


def test_too_much_to_print() -> None:
    large, excluded = Received(MOST_TO_PRINT, "", None), A | {"filnavn": "b", "skalEkskluderesFraUtskrift": True}

    assert list(faults_in_sizes(read(), [large])) == []
    assert list(faults_in_sizes(read(dokumenter=[A, excluded]), [large, large])) == []
    two = [A, A | {"filnavn": "b.pdf"}]
    assert [one.kode for one in faults_in_sizes(read(dokumenter=two), [large, Received(1)])] == [
        Feilkode.FOR_STOR_FORSENDELSE
    ]
    assert list(faults_in_sizes(read(dokumenter=two, kunDigitalLevering=True), [large, large])) == []


def test_every_fault_has_words_and_only_what_may_pass_invites_to_try_again() -> None:
    fragments = ("Ugyldig innhold", "Feil under lesing av", "Kan ikke lagre tomt dokument")
    for code in Feilkode:
        text = TEXTS[code]
        assert text.startswith(fragments) != (code is Feilkode.UFULLSTENDIG_OPPLASTING)


def test_faults_in_words_name_the_place() -> None:
    faults = [Feil(kode=Feilkode.TOMT_DOKUMENT, sted="2"), Feil(kode=Feilkode.UGYLDIG_MOTTAKER, sted="eksponertFor")]

    assert in_words(faults).split(". ") == [
        "Kan ikke lagre tomt dokument (dokument 2)",
        "Ugyldig innhold: nummeret er ikke et fødselsnummer, d-nummer eller organisasjonsnummer (eksponertFor)",
    ]
    assert in_words([faults[0]] * 12).endswith("Og 2 feil til")
    assert codes_in_words("TOMT_DOKUMENT,HELT_NY") == "Kan ikke lagre tomt dokument. HELT_NY"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([one.encode_name for one in msgspec.structs.fields(Forsendelse)])


@given(st.dictionaries(FIELDS, JSON, max_size=4))
def test_whatever_is_read_can_be_said(changes: dict[str, Any]) -> None:
    try:
        sent = read(**changes)
    except Unreadable:
        return
    event = said(sent, *[Received()] * len(sent.dokumenter), faults=tuple(faults_in(sent, NOW)))

    assert decode(encode(event)) == event
    assert isinstance(event.forsendelse_id, UUID)
