"""Who asks: the address that the proxies of a stack wrote themselves, never one that a client claims (S3.2, beyond)."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.edge import WHOLE_ADDRESSES, entrance
from tests.app.servers import Postgres, Redis
from tests.app.site import EMAIL, Site
from tests.unit.faults import GATEWAY, INGRESS
from tests.unit.parts import namespace, settings
from tests.waiting import wait_for

# Here everybody connects from loopback, which is whoever stands directly before the application.
BEFORE_IT = "127.0.0.0/8"
CDN = "198.18.0.0/15"
CDN_OF_IPV6 = "2001:db8:cd::/48"


def files(edge: dict[str, Any], *proxies: str) -> dict[str, str]:
    chosen = settings(edge={**edge, "trusted_proxies": list(proxies)}).edge
    return dict(entrance(chosen, namespace("edge")).nginx_settings)


@pytest.fixture(scope="module")
def behind(folder: Path, postgres: Postgres, redis: Redis, site: Site) -> Iterator[dict[str, Site]]:
    """The application behind Google's balancer and behind an ingress controller, both with a CDN in front."""
    assert site.uploads.is_dir()  # it made the schema
    sites = {}
    for name, edge in (("gateway", GATEWAY), ("ingress", INGRESS)):
        own = {**files(edge, BEFORE_IT, CDN, CDN_OF_IPV6), "logged-address.conf": WHOLE_ADDRESSES}
        sites[name] = Site(folder / name, postgres, redis, own)
        sites[name].start()
    yield sites
    for each in sites.values():
        each.stop()


def test_an_address_is_logged_whole_where_a_setting_says_so(behind: dict[str, Site]) -> None:
    """DECISIONS: personal data"""
    site, path = behind["gateway"], f"/{secrets.token_hex(8)}"
    httpx.get(f"http://127.0.0.1:{site.public}{path}", headers={"X-Forwarded-For": "203.0.113.40"}, timeout=30)

    def logged() -> list[str]:
        lines = [json.loads(line) for line in site.access_log.read_text().splitlines() if path in line]
        return [line["client"] for line in lines]

    assert wait_for(logged, "the request in the log") == ["203.0.113.40"]


def seen(site: Site, redis: Redis, forwarded: str, **claims: str) -> list[str]:
    """Whom a login is counted for."""
    for key in redis.command("KEYS", "vision-week:logins:*").split():
        redis.command("DEL", key)
    headers = {"X-Forwarded-For": forwarded, **claims}
    fields = {"email": EMAIL, "password": "wrong"}
    answer = httpx.post(f"http://127.0.0.1:{site.public}/login", json=fields, headers=headers, timeout=30)
    assert answer.status_code in {401, 429}
    counted = redis.command("KEYS", "vision-week:logins:*").split()
    return [key.removeprefix("vision-week:logins:") for key in counted]


@pytest.mark.parametrize("flavour", ["gateway", "ingress"])
@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.40", "203.0.113.40"),
        ("203.0.113.41, 198.18.0.7", "203.0.113.41"),
        # What stands before the first address that no proxy of ours has, a client wrote.
        ("192.0.2.1, 203.0.113.42, 198.18.0.7", "203.0.113.42"),
        ("198.18.0.9, 203.0.113.43, 198.18.0.7", "203.0.113.43"),
        ("127.0.0.1, 203.0.113.44", "203.0.113.44"),
        ("10.0.0.1", "10.0.0.1"),
        ("nonsense, 203.0.113.45, 198.18.0.7", "203.0.113.45"),
        ("2001:db8:5:6::7, 198.18.0.7", "2001:db8:5:6::/64"),
        ("192.0.2.1, 203.0.113.48, 2001:db8:cd::7", "203.0.113.48"),
        ("2001:db8:ce::1, 2001:db8:5:6::7, 2001:db8:cd:1::7, 198.18.0.7", "2001:db8:5:6::/64"),
        ("203.0.113.49, 2001:db8:ce::1", "2001:db8:ce::/64"),
    ],
)
def test_the_client_is_whom_the_first_of_our_proxies_saw(
    behind: dict[str, Site], redis: Redis, flavour: str, forwarded: str, client: str
) -> None:
    assert seen(behind[flavour], redis, forwarded) == [client]


def test_google_s_own_address_is_none_of_a_client(behind: dict[str, Site], redis: Redis) -> None:
    """Its balancer ends the header with the client's address and its own."""
    own = str(GATEWAY["address"])
    assert seen(behind["gateway"], redis, f"203.0.113.46, 198.18.0.7, {own}") == ["203.0.113.46"]


@pytest.mark.parametrize("header", ["X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"])
def test_no_other_header_says_who_a_client_is(site: Site, redis: Redis, header: str) -> None:
    assert seen(site, redis, "203.0.113.47", **{header: "192.0.2.9"}) == ["203.0.113.47"]


def test_without_proxies_that_are_named_the_last_entry_alone_is_believed(site: Site, redis: Redis) -> None:
    """The image's own default: one proxy with a private address stands in front."""
    assert files(INGRESS) == {}
    assert seen(site, redis, "192.0.2.9, 198.18.0.7") == ["198.18.0.7"]
