"""The application as a person reaches it: by its URL, over TLS, trusting its own authority alone."""

import ssl
from typing import Final

import httpx

_PATIENCE: Final = 5  # seconds


def problem(url: str, authority: str) -> str | None:
    """What is wrong with it, seen from here; None if it says that it is well."""
    address = httpx.URL(url)
    host = address.host
    try:
        # A name under `localhost` is this machine (RFC 6761), also to resolvers that haven't heard of it.
        here = address.copy_with(host="127.0.0.1") if host.endswith(".localhost") else address
        with httpx.Client(
            verify=ssl.create_default_context(cadata=authority), timeout=_PATIENCE, trust_env=False
        ) as client:
            answer = client.get(
                here.join("/api/health"),
                headers={"Host": address.netloc.decode()},
                extensions={"sni_hostname": host},
            )
    except (httpx.HTTPError, ssl.SSLError) as error:
        return f"doesn't answer at {url}: {error or type(error).__name__}"
    if answer.is_error:
        return f"isn't well: {url}/api/health says {answer.status_code}"
    return None
