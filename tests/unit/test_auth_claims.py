"""The claims of an access token, whose signature holds: what they prove, and each fault that they may have."""

from typing import Any

import pytest

from gateway.auth.claims import MachineToken, PersonToken, read_machine, read_person
from gateway.auth.remembered import Remembered
from streams.domain.errors import NotAuthenticated

ISSUER = "https://test.maskinporten.no/"
NOW = 1_800_000_000.0
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "client_id": "c",
    "consumer": {"authority": "iso6523-actorid-upis", "ID": "0192:310991007"},
    "scope": "ks:fiks",
    "iat": NOW - 100,
    "exp": NOW + 100,
}
MISSING = "(missing)"


def with_(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (CLAIMS | changes).items() if value != MISSING}


def party(identifier: Any, authority: str = "iso6523-actorid-upis") -> dict[str, Any]:
    return {"authority": authority, "ID": identifier}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scope": "ks:annet ks:fiks"},
        {"exp": NOW - 9},
        {"iat": NOW + 10},
        {"nbf": NOW + 10},
        {"aud": "unspecified"},
        {"aud": "https://somebody.else"},
        {"client_orgno": "999999999"},
        {"pid": "01010199999"},
    ],
    ids=str,
)
def test_holds(changes: dict[str, Any]) -> None:
    token = read_machine(with_(**changes), NOW)
    assert token == MachineToken("310991007", None, changes.get("exp", NOW + 100))


def test_the_supplier_is_known_and_the_consumer_counts() -> None:
    token = read_machine(with_(supplier=party("0192:310992003")), NOW)
    assert (token.consumer, token.supplier) == ("310991007", "310992003")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": NOW - 10}, "utløpt"),
        ({"exp": MISSING}, "exp"),
        ({"exp": str(NOW + 100)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"iat": MISSING}, "iat"),
        ({"iat": NOW + 11}, "ennå"),
        ({"nbf": NOW + 11}, "ennå"),
        ({"scope": MISSING}, "scope"),
        ({"scope": "ks:fiksoom"}, "scope"),
        ({"scope": "xks:fiks"}, "scope"),
        ({"scope": "ks:fiks,ks:annet"}, "scope"),
        ({"scope": "KS:FIKS"}, "scope"),
        ({"scope": ["a ks:fiks b"]}, "scope"),
        ({"consumer": MISSING}, "organisasjonen"),
        ({"consumer": MISSING, "client_orgno": "310991007"}, "organisasjonen"),
        ({"consumer": "0192:310991007"}, "organisasjonen"),
        ({"consumer": party("310991007")}, "organisasjonen"),
        ({"consumer": party("9908:310991007")}, "organisasjonen"),
        ({"consumer": party("0192:3109910070")}, "organisasjonen"),
        ({"consumer": party("0192:31099100")}, "organisasjonen"),
        ({"consumer": party("0192:310991007\n")}, "organisasjonen"),
        ({"consumer": party("0192:٣١٠٩٩١٠٠٧")}, "organisasjonen"),
        ({"consumer": party("0192:310991007", "noe-annet")}, "organisasjonen"),
        ({"consumer": party(310991007)}, "organisasjonen"),
        ({"supplier": party("0192:x")}, "organisasjonen"),
        ({"supplier": None}, "organisasjonen"),
    ],
    ids=str,
)
def test_does_not_hold(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotAuthenticated, match=f"Klarte ikke å validere access_token: .*{reason}"):
        read_machine(with_(**changes), NOW)


PERSON = {name: value for name, value in CLAIMS.items() if name != "consumer"} | {
    "pid": "12858010053",
    "acr": "idporten-loa-high",
}


@pytest.mark.parametrize(
    ("acr", "niva"),
    [
        ("idporten-loa-high", 4),
        ("Level4", 4),
        ("idporten-loa-substantial", 3),
        ("Level3", 3),
        ("idporten-loa-low", None),
        ("level4", None),
        ("eidas-loa-high", None),
        (4, None),
        (None, None),
    ],
)
def test_the_level_of_a_login_is_that_of_its_acr(acr: Any, niva: int | None) -> None:
    assert read_person(PERSON | {"acr": acr}, NOW) == PersonToken("12858010053", niva, None, None, NOW + 100)


def test_the_client_of_a_login_is_known_and_the_person_is_not_shown() -> None:
    token = read_person(PERSON | {"consumer": party("0192:310991007"), "supplier": party("0192:310992003")}, NOW)
    assert (token.consumer, token.supplier) == ("310991007", "310992003")
    assert "12858010053" not in repr(token)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"at_hash": "x"}, "id_token"),
        ({"c_hash": "x"}, "id_token"),
        ({"scope": "openid"}, "scope"),
        ({"scope": "openid ks:fiksoom"}, "scope"),
        ({"exp": NOW - 10}, "utløpt"),
        ({"iat": NOW + 11}, "ennå"),
        ({"pid": None}, "pid"),
        ({"pid": 12858010053}, "pid"),
        ({"pid": "1285801005"}, "pid"),
        ({"pid": "12858010053\n"}, "pid"),
        ({"pid": "١٢٨٥٨٠١٠٠٥٣"}, "pid"),
        ({"consumer": party("9908:310991007")}, "organisasjonen"),
        ({"supplier": party("0192:x")}, "organisasjonen"),
    ],
    ids=str,
)
def test_is_no_login(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotAuthenticated, match=f"Klarte ikke å validere access_token: .*{reason}"):
        read_person(PERSON | changes, NOW)


def test_what_is_remembered_is_bounded_and_the_least_used_goes_first() -> None:
    remembered: Remembered[str, int] = Remembered(2)
    remembered.put("a", 1)
    remembered.put("b", 2)
    assert remembered.get("a") == 1
    remembered.put("c", 3)
    assert (remembered.get("a"), remembered.get("b"), remembered.get("c")) == (1, None, 3)
