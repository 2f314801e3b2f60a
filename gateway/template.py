"""How a call is named in metrics, traces, logs and events."""

from aiohttp import web

UNKNOWN = "unknown"


def template_of(request: web.Request) -> str:
    """The template of the address that was called: words of ours, never the caller's. ``unknown`` where it is none."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else UNKNOWN
