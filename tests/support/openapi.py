"""What a description of an API has."""

import json


def told(text: str) -> set[tuple[str, str]]:
    """Method and path of everything that a description has, below its server's path."""
    document = json.loads(text)
    [server] = document.get("servers", [{"url": "/"}])
    return {
        (method.upper(), server["url"].rstrip("/") + path)
        for path, ways in document["paths"].items()
        for method in ways
    }
