"""The pages of the stand-in for ID-porten: plain HTML without script, in bokmål."""

from __future__ import annotations

from html import escape

from aiohttp import web

from gateway.auth.claims import ACR
from gateway.issuer.authorization import Authorization
from gateway.issuer.people import PEOPLE

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
LEVEL_NAMES = {3: "Nivå 3 (betydelig)", 4: "Nivå 4 (høyt)"}


def login(action: str, login_id: str, asked: Authorization, fault: str = "") -> web.Response:
    """The page on which one picks who to be, and at what level. ``fault`` says what was wrong with the last pick."""
    levels = "".join(
        f'<label><input type="radio" name="niva" value="{niva}"{" checked" if niva == max(ACR) else ""}> '
        f"{LEVEL_NAMES[niva]}</label><br>\n"
        for niva in ACR
        if niva >= asked.niva
    )
    people = "".join(
        f'<button name="pid" value="{person.pid}">{escape(person.navn)}, {person.pid}</button><br>\n'
        for person in PEOPLE
    )
    said = f'<p role="alert"><strong>{escape(fault)}</strong></p>' if fault else ""
    body = f"""<h1>Velg testperson</h1>
<p>Dette er en innlogging for test. Ingen av personene finnes, og bare syntetiske fødselsnummer virker.</p>
{said}<form method="post" action="{escape(action)}">
<input type="hidden" name="login" value="{escape(login_id)}">
<fieldset><legend>Sikkerhetsnivå</legend>
{levels}</fieldset>
<fieldset><legend>Logg inn som</legend>
{people}</fieldset>
</form>
<form method="post" action="{escape(action)}">
<input type="hidden" name="login" value="{escape(login_id)}">
<fieldset><legend>Eller som en annen testperson</legend>
<label>Syntetisk fødselsnummer <input name="pid" inputmode="numeric" autocomplete="off" required></label><br>
{levels}<button>Logg inn</button></fieldset>
</form>"""
    return _page("Logg inn", body, 400 if fault else 200)


def message(title: str, text: str, status: int) -> web.Response:
    """A page that says one thing."""
    return _page(title, f"<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>", status)


def _page(title: str, body: str, status: int) -> web.Response:
    html = f"""<!doctype html>
<html lang="nb">
<head><meta charset="utf-8"><title>{escape(title)} – testinnlogging</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main>
{body}
</main></body></html>
"""
    return web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)
