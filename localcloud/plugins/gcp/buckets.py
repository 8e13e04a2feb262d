"""What is in buckets: kept by a server of Cloud Storage's own protocol on this machine, where there is one.

STORAGE_EMULATOR_HOST has its address, as Google's own libraries know it (fake-gcs-server, say). What pods and people
put into a bucket there is really in it, so that whether it is empty is no matter of belief. Without a server buckets
have names and settings, and nothing can be put into them.
"""

import json
import os
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from localcloud.plugins.provider import Failed
from localcloud.plugins.quarantine import is_local
from localcloud.plugins.values import Values

_VARIABLE: Final = "STORAGE_EMULATOR_HOST"
_ANSWER_TIME: Final = 30  # seconds; on one machine it takes none
_THERE_ALREADY: Final = 409
_GONE: Final = 404


def make(name: str, project: str, *, versioned: bool) -> None:
    """Let the bucket be there, if it isn't."""
    _ask("POST", f"b?{urlencode({'project': project})}", {"name": name, "versioning": {"enabled": versioned}})


def has_content(name: str) -> bool:
    """Whether anything is in it, former versions included."""
    return bool(_objects(name))


def remove(name: str) -> None:
    """Let the bucket be gone, with all that is in it."""
    for each in _objects(name):
        generation = urlencode({"generation": each["generation"]})
        _ask("DELETE", f"b/{name}/o/{quote(each['name'], safe='')}?{generation}")
    _ask("DELETE", f"b/{name}")


def _objects(name: str) -> list[Any]:
    return list(_ask("GET", f"b/{name}/o?versions=true").get("items", ()))


def _ask(method: str, path: str, content: Values | None = None) -> Values:
    """The server's answer; nothing where there is no server, or there already is, or no longer is, what is asked."""
    address = os.environ.get(_VARIABLE)
    if not address:
        return {}
    if not is_local(urlsplit(address).netloc):
        raise Failed(f"{_VARIABLE} is {address}, which is not this machine: the simulated Google Cloud asks no other")
    request = urllib.request.Request(  # noqa: S310  this machine's
        f"{address}/storage/v1/{path}",
        data=None if content is None else json.dumps(content).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    # Never by a proxy, whatever the environment says of proxies.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_ANSWER_TIME) as answer:
            return json.loads(answer.read() or b"null") or {}
    except urllib.error.HTTPError as error:
        if error.code in (_THERE_ALREADY, _GONE):
            return {}
        raise Failed(f"the server of buckets at {address} answers {error.code} to {method} {path}") from None
    except OSError as error:
        raise Failed(f"the server of buckets at {address} doesn't answer: {error}") from None
