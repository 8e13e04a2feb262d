"""The API server takes what the edge's other flavours make: its own validation, of every field, and nothing is kept.

Google's own kinds can't be had outside of its clusters: theirs are unverified.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from localcloud import cluster
from tests.localcloud.pods import Pods
from tests.unit.edges import HOSTS, built

pytestmark = pytest.mark.cluster

UNVERIFIED = {"GCPBackendPolicy", "GCPGatewayPolicy", "HealthCheckPolicy"}
FLAVOURS: Mapping[str, tuple[Mapping[str, Any], set[str]]] = {
    "gateway": ({}, {"Gateway", "HTTPRoute", "Secret", "GCPBackendPolicy", "HealthCheckPolicy"}),
    "gateway with Google's": (
        {"certificate_map": "a-map", "ssl_policy": "modern", "security_policy": "armour"},
        {"Gateway", "HTTPRoute", *UNVERIFIED},
    ),
    "ingress": ({"annotations": {"controller.example/redirect-to-https": "true"}}, {"Ingress", "Secret"}),
}


def objects(name: str, namespace: str) -> list[dict[str, Any]]:
    changes, _ = FLAVOURS[name]
    made = built(name.partition(" ")[0], own=namespace, applications=namespace, **HOSTS, **changes)
    return [dict(one.inputs) for one in made.objects]


def try_out(manifests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """What the API server says to them, to fields that it doesn't know as well."""
    command = ["kubectl", "apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    environment = {"KUBECONFIG": str(cluster.kubeconfig())}
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("name", FLAVOURS)
def test_every_object_of_a_flavour_is_taken(pods: Pods, name: str) -> None:
    made = objects(name, pods.namespace)
    _, kinds = FLAVOURS[name]
    assert {one["kind"] for one in made} == kinds
    tried = [one for one in made if one["kind"] not in UNVERIFIED]
    answer = try_out(tried)
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.split()) == len(tried)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Gateway", ("spec", "listeners", 0, "protocol"), "HTTP"),
        ("HTTPRoute", ("spec", "rules", 0, "filters", 0, "requestRedirect", "statusCode"), 299),
        ("HTTPRoute", ("spec", "rules", 0, "timeout"), "1s"),
    ],
)
def test_what_is_wrong_in_them_is_not(pods: Pods, kind: str, path: tuple[str | int, ...], value: Any) -> None:
    """A word that no such kind has, too: it would have no effect."""
    (wrong, *_) = (one for one in objects("gateway", pods.namespace) if one["kind"] == kind)
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert try_out([wrong]).returncode != 0
