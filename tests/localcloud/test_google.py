"""Google as pods see it: who they are, and what the simulated Google Cloud lets them do with its buckets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from localcloud.cluster import google, layout, pki
from localcloud.docker import docker
from tests.localcloud.google import PROJECT, bucket, grant, standing_in
from tests.localcloud.pods import Pods
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

BUCKET = "vision-week-test-of-pods"
# Asks Cloud Storage by Google's names, as the account that the metadata server says it has; prints status and answer.
ASK = """
import json, ssl, sys, urllib.error, urllib.request
authority, method, path, body, token = json.loads(sys.argv[1])
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=authority))
)
def ask(url, method="GET", body=None, **headers):
    request = urllib.request.Request(url, body and body.encode(), headers, method=method)
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
if token is None:
    account = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/"
    _, answer = ask(account + "token", **{"Metadata-Flavor": "Google"})
    token = json.loads(answer)["access_token"]
bearer = {"Authorization": "Bearer " + token} if token else {}
print(json.dumps(ask("https://storage.googleapis.com" + path, method, body, **bearer)))
"""
WRITE = ("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=a%2Fb", "what is in it")
READ = ("GET", f"/storage/v1/b/{BUCKET}/o/a%2Fb?alt=media", None)


@pytest.fixture(scope="module")
def group(pods: Pods, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Three pods on two nodes: a writer, a reader and one that was given nothing."""
    with standing_in(tmp_path_factory.mktemp("cloud")):
        bucket(BUCKET)
        for number, (name, role) in enumerate((("writer", "objectUser"), ("reader", "objectViewer"), ("other", None))):
            pods.account(name)
            pods.start(name, account=name, node=layout.NODES[number % 2].name)
            if role:
                grant(BUCKET, f"roles/storage.{role}", pods, name)
        yield pods


def ask(pods: Pods, name: str, request: tuple[str, str, str | None], token: str | None = None) -> tuple[int, str]:
    """A pod's request and its answer. token: instead of its own; an empty one is none."""
    authority = pki.authority(pki.GOOGLE).certificate.decode()
    said = pods.run(name, "python3", "-c", ASK, json.dumps([authority, *request, token]))
    try:
        status, answer = json.loads(said)
    except ValueError:
        raise AssertionError(said) from None
    return int(status), str(answer)


def test_a_pod_does_what_its_account_may_and_no_more(group: Pods) -> None:
    assert ask(group, "writer", WRITE)[0] == 200
    assert ask(group, "writer", READ) == (200, "what is in it")
    assert ask(group, "reader", READ) == (200, "what is in it")
    status, said = ask(group, "reader", WRITE)
    assert status == 403
    assert f"subject/ns/{group.namespace}/sa/reader does not have storage.objects.create access" in said


def test_an_account_that_was_given_nothing_gets_nothing(group: Pods) -> None:
    assert ask(group, "other", READ)[0] == 403
    assert ask(group, "other", WRITE)[0] == 403


def test_nobody_gets_anything_without_a_token_of_the_metadata_servers(group: Pods) -> None:
    assert ask(group, "writer", READ, token="")[0] == 401
    assert ask(group, "writer", READ, token="ya29.forged")[0] == 401


def test_the_metadata_server_tells_a_pod_which_project_it_is_in(group: Pods) -> None:
    opened = 'urllib.request.Request(sys.argv[1], headers={"Metadata-Flavor": "Google"})'
    program = f"import sys, urllib.request; print(urllib.request.urlopen({opened}, timeout=5).read().decode())"
    url = "http://169.254.169.254/computeMetadata/v1/project/project-id"
    assert group.run("other", "python3", "-c", program, url).strip() == PROJECT.name


def test_a_pod_does_not_reach_the_buckets_as_their_owner(group: Pods) -> None:
    assert "403" in group.fetch("writer", f"{layout.BUCKETS}/storage/v1/b")


def test_a_pod_whose_policy_does_not_name_the_metadata_server_is_told_nothing(
    group: Pods, api: client.ApiClient
) -> None:
    """Policies see Google's addresses, as on GKE: what the program must allow there it must allow here."""
    group.account("shut")
    group.start("shut", account="shut")
    network: Any = client.NetworkingV1Api(api)
    dns = {"ports": [{"port": 53, "protocol": "UDP"}]}
    storage = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}
    egress: list[Any] = [dns, storage]
    spec = {"podSelector": {"matchLabels": {"app": "shut"}}, "policyTypes": ["Egress"], "egress": egress}
    network.create_namespaced_network_policy(group.namespace, {"metadata": {"name": "shut"}, "spec": spec})
    wait_for(lambda: "timed out" in group.fetch("shut", "http://169.254.169.254/"), "the policy in force", patience=60)
    assert ask(group, "shut", READ, token="")[0] == 401
    metadata = {"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], "ports": [{"port": 80}]}
    egress.append(metadata)
    network.replace_namespaced_network_policy("shut", group.namespace, {"metadata": {"name": "shut"}, "spec": spec})
    wait_for(lambda: "computeMetadata" in group.fetch("shut", "http://169.254.169.254/"), "the way", patience=60)


def test_a_node_whose_network_is_new_is_led_there_again(group: Pods) -> None:
    """What a node's start loses comes back, once."""
    node = layout.NODES[0]
    rules = ("exec", node.container, "iptables", "-t", "nat", "-S", "POSTROUTING")
    before = docker(*rules)
    docker("exec", node.container, "ip", "route", "del", layout.GOOGLE_APIS)
    docker("exec", node.container, "ip", "route", "del", layout.METADATA_SERVER)
    google.lead()
    assert ask(group, "writer", READ, token="")[0] == 401
    assert docker(*rules) == before
