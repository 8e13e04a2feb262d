"""Claims that are seen from outside, by Google's balancer: it is asked by its address, for hosts that nobody has."""

import secrets
import socket
import ssl
from functools import cache
from typing import Any, Final

import httpx

from operations.delivery.problem import DeliveryError
from operations.preflight import RefusedError
from operations.verify_cloud.claim import Claim, Needs, RefutedError, require
from operations.verify_cloud.place import Place

_PATIENCE: Final = 20  # seconds for an answer
# Google says that a balancer takes minutes until it answers everywhere.
_BEGINS: Final = 1200
# PHP answers it, and tells of it: what nginx answers by itself and probes leave no spans.
FOLLOWED: Final = "/config.json"
# What is said to one who speaks too old a TLS. Other alerts refuse for another reason, as that a name is nobody's.
_TOO_OLD: Final = ("PROTOCOL_VERSION", "HANDSHAKE_FAILURE")


def _trusted(place: Place) -> ssl.SSLContext:
    """No certificate but what the stack's own authority has signed."""
    return ssl.create_default_context(cadata=str(place.target.outputs()["ca_certificate"]))


def _asked(place: Place, path: str, scheme: str = "https", host: str | None = None, **headers: str) -> httpx.Response:
    name = host or place.edge.host
    with httpx.Client(verify=_trusted(place), timeout=_PATIENCE, trust_env=False) as client:
        more: dict[str, Any] = {"sni_hostname": name}
        return client.get(f"{scheme}://{place.edge.address}{path}", headers={"Host": name, **headers}, extensions=more)


def _programmed(place: Place) -> str:
    (gateway,) = place.objects("gateways.gateway.networking.k8s.io", "-n", place.target.namespaces["edge"])
    status = gateway.get("status", {})
    programmed = [each["status"] for each in status.get("conditions", ()) if each["type"] == "Programmed"]
    require(programmed == ["True"], f"the Gateway is not programmed: {status.get('conditions')}")
    addresses = [each["value"] for each in status.get("addresses", ())]
    require(addresses == [place.edge.address], f"the Gateway has {addresses}, not {place.edge.address}")
    return f"the reserved one, {place.edge.address}"


def _served(place: Place) -> str:
    answer = _asked(place, "/api/health")
    require(answer.status_code == httpx.codes.OK, f"it answers {answer.status_code}")
    require("strict-transport-security" in answer.headers, "there is no Strict-Transport-Security")
    return f"{answer.status_code}, over {answer.http_version}, by a certificate of the stack's own authority"


def _redirected(place: Place) -> str:
    answer = _asked(place, "/", scheme="http")
    there = answer.headers.get("location", "")
    if answer.status_code != httpx.codes.MOVED_PERMANENTLY or not there.startswith(f"https://{place.edge.host}"):
        raise RefutedError(f"it answers {answer.status_code}, {there}")
    return f"{answer.status_code} to {there}"


def _armoured(place: Place) -> str:
    honest, attack = (_asked(place, path).status_code for path in ("/health", "/?q=<script>alert(1)</script>"))
    require(honest == httpx.codes.OK, f"an honest request is answered with {honest}")
    require(attack == httpx.codes.FORBIDDEN, f"an attack is answered with {attack}")
    return f"an attack gets {attack}, an honest request {honest}"


def _api_alone(place: Place) -> str:
    found = {path: _asked(place, path, host=place.edge.api_host).status_code for path in ("/api/health", "/")}
    wanted = {"/api/health": httpx.codes.OK, "/": httpx.codes.NOT_FOUND}
    require(found == wanted, f"{found}")
    return "/api/health is answered, / is not there"


def _old_tls(place: Place) -> str:
    context = _trusted(place)
    # Else this machine's own library would refuse to ask.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        with (
            socket.create_connection((place.edge.address, 443), _PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=place.edge.host) as secure,
        ):
            raise RefutedError(f"the balancer speaks {secure.version()}")
    except ssl.SSLError as error:
        if not any(word in str(error.reason) for word in _TOO_OLD):
            raise DeliveryError(
                f"It was not the balancer that refused: {error}", "try it from another machine"
            ) from None
    return "the balancer refuses it"


@cache
def _trace(_stack: str) -> str:
    """The number of a trace that is always followed (docs/traces.md): one for all looks, as Google shows it later."""
    return f"{secrets.token_hex(8)}{1:016x}"


def _traced(place: Place) -> str:
    trace = _trace(place.site.name)
    answer = _asked(place, FOLLOWED, traceparent=f"00-{trace}-{secrets.token_hex(8)}-01")
    require(answer.status_code == httpx.codes.OK, f"{FOLLOWED} answers {answer.status_code}")
    try:
        found = place.as_now().get("cloudtrace", f"/v1/projects/{place.site.project}/traces/{trace}")
    except RefusedError as refused:
        if refused.status != httpx.codes.NOT_FOUND:
            raise
        found = {}
    require(found.get("spans"), f"Cloud Trace has no spans of {trace}")
    return f"Cloud Trace has {len(found['spans'])} spans of {FOLLOWED}"


CLAIMS: Final = (
    Claim("The Gateway has the reserved address", "docs/edge.md", Needs.BALANCER, _programmed, _BEGINS),
    Claim("The application answers by the balancer, with its headers", "S3.1, S4.1", Needs.BALANCER, _served, _BEGINS),
    Claim("HTTP is sent to HTTPS", "docs/edge.md", Needs.BALANCER, _redirected, 300),
    Claim("The API's own host has the API alone", "docs/edge.md", Needs.BALANCER, _api_alone, 300),
    Claim(
        "Cloud Armor refuses what looks like an attack", "docs/google-cloud.md#the-edge", Needs.BALANCER, _armoured, 600
    ),
    Claim("TLS before 1.2 is refused", "service levels: crypto", Needs.BALANCER, _old_tls, 600),
    Claim("Traces are in Cloud Trace", "docs/traces.md", Needs.BALANCER, _traced, 600),
)
