"""The whole program on mocks: what all of its parts must have in common, and how they fit together."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from tests.unit.recording import CHECKOUT, UNKNOWN, Made, Recording, run_stack, stack_config
from tests.unit.references import Pod, dangling

# Names that the cluster brings: its DNS, and its class of volumes that many pods may mount.
OF_THE_CLUSTER = {"kube-system", "shared"}


def test_what_the_stack_is_for_comes_out(development: Recording) -> None:
    assert development.outputs["url"] == "https://vision-week.localhost:8443"
    assert development.outputs["ca_certificate"].startswith("certificate ")
    assert development.outputs["namespaces"] == {
        "app": "vision-week-app",
        "data": "vision-week-data",
        "edge": "vision-week-edge",
    }
    assert set(development.outputs["images"]) == {"app", "websocket", "postgres"}


def test_a_first_preview_shows_every_resource(development: Recording, first_preview: Recording) -> None:
    """Nothing hides behind a value that isn't known yet."""
    assert {one.urn for one in first_preview.made} == {one.urn for one in development.made}
    assert first_preview.outputs["url"] == development.outputs["url"]
    assert first_preview.outputs["namespaces"] == development.outputs["namespaces"]
    assert all(UNKNOWN not in (one.namespace, one.object_name) for one in first_preview.objects)


def test_nothing_is_referred_to_that_nobody_makes(either: Recording) -> None:
    assert dangling(either, of_the_cluster=OF_THE_CLUSTER) == []


@pytest.mark.parametrize(
    "kind",
    [
        "ConfigMap",
        "Endpoints",
        "Namespace",
        "PersistentVolumeClaim",
        "Role",
        "Secret",
        "ServiceAccount",
        "StorageClass",
    ],
)
def test_a_missing_object_would_be_noticed(development: Recording, kind: str) -> None:
    for one in development.of(kind):
        assert dangling(development.without([one]), of_the_cluster=OF_THE_CLUSTER)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_a_missing_workload_would_be_noticed(development: Recording, kind: str) -> None:
    for one in development.of(kind):
        assert dangling(development.without([one]), of_the_cluster=OF_THE_CLUSTER)


# --- components


def test_every_component_registers_its_outputs(development: Recording) -> None:
    components = [one for one in development.made if one.type.startswith("vision-week:")]
    assert components
    assert {one.urn for one in components} <= set(development.registered_outputs)


def test_every_resource_has_a_component_for_its_parent(development: Recording) -> None:
    components = {one.urn for one in development.made if one.type.startswith("vision-week:")}
    assert [one.name for one in development.made if one.parent not in components] == ["platform"]


def test_every_object_names_the_provider_that_the_program_made(development: Recording) -> None:
    (provider,) = [one for one in development.made if one.type == "pulumi:providers:kubernetes"]
    assert {one.provider.rpartition("::")[0] for one in development.objects} == {provider.urn}


# --- pods


def workloads(recording: Recording) -> list[Pod]:
    found = [Pod(one, template) for one, template in recording.pods()]
    assert {pod.workload.name for pod in found} == {"app", "edge", "migrations", "postgres", "redis", "websocket"}
    return found


def test_every_pod_is_hardened(either: Recording) -> None:
    """S7.2 and Pod Security `restricted`."""
    for pod in workloads(either):
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (1000, 1000, 1000)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.spec["enableServiceLinks"] is False
        for container in pod.spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_only_who_talks_to_the_api_has_a_token(either: Recording) -> None:
    tokens = {pod.workload.name: pod.spec["automountServiceAccountToken"] for pod in workloads(either)}
    assert tokens == {
        "app": False,
        "edge": False,
        "migrations": False,
        "postgres": True,
        "redis": False,
        "websocket": False,
    }
    assert all(one.inputs["automountServiceAccountToken"] is False for one in either.of("ServiceAccount"))


def test_every_container_says_what_it_needs(either: Recording) -> None:
    for pod in workloads(either):
        for container in pod.spec["containers"]:
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert set(requests) == set(limits) == {"cpu", "memory"}
            assert requests["memory"] == limits["memory"]


def test_every_container_that_stays_is_probed(either: Recording) -> None:
    for pod in workloads(either):
        if pod.workload.kind == "Job":
            continue
        assert any("readinessProbe" in container for container in pod.spec["containers"])
        assert all("livenessProbe" in container for container in pod.spec["containers"])


def test_pods_avoid_each_others_nodes_and_zones(either: Recording) -> None:
    """S5.1"""
    for pod in workloads(either):
        (term,) = pod.spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert term["weight"] == 100
        assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
        assert pod.fits(term["podAffinityTerm"]["labelSelector"])
        (spread,) = pod.spec["topologySpreadConstraints"]
        assert spread["topologyKey"] == "topology.kubernetes.io/zone"
        assert pod.fits(spread["labelSelector"])


def test_our_images_run_by_digest_and_others_by_exact_version(development: Recording) -> None:
    images = {container["image"] for pod in workloads(development) for container in pod.spec["containers"]}
    ours = {image for image in images if image.startswith("localhost:5005/vision-week/")}
    assert ours == set(development.outputs["images"].values())
    assert all("@sha256:" in image for image in ours)
    assert images - ours == {
        "docker.io/library/redis:7.4-bookworm",
        "docker.io/nginxinc/nginx-unprivileged:1.28-bookworm",
    }


def test_every_object_has_the_standard_labels(either: Recording) -> None:
    for one in either.objects:
        assert one.metadata["labels"]["app.kubernetes.io/part-of"] == "vision-week"
        assert one.metadata["labels"]["app.kubernetes.io/managed-by"] == "pulumi"


def test_no_pod_starts_before_its_namespace_is_guarded(development: Recording) -> None:
    guards = {
        namespace: {
            one.urn
            for one in development.objects
            if one.namespace == namespace
            and (one.kind in {"ResourceQuota", "LimitRange"} or one.object_name in {"default-deny", "dns"})
        }
        for namespace in development.outputs["namespaces"].values()
    }
    assert all(len(found) == 4 for found in guards.values())
    for pod in workloads(development):
        assert guards[pod.namespace] <= pod.workload.depends_on


def test_no_pod_starts_before_its_own_policy(development: Recording) -> None:
    for pod in workloads(development):
        assert development.one("NetworkPolicy", pod.workload.name).urn in pod.workload.depends_on


# --- secrets


def secret_values(recording: Recording) -> dict[str, str]:
    """Every value of a Secret, by where it is."""
    return {
        f"{secret.object_name}/{key}": value
        for secret in recording.of("Secret")
        for key, value in secret.inputs["stringData"].items()
    }


def test_secrets_are_marked_as_such_wherever_they_go(development: Recording) -> None:
    """S7.3: the engine encrypts what is marked, and prints none of it."""
    passwords = {value for key, value in secret_values(development).items() if key.endswith("password")}
    assert len(passwords) == 3  # the owner's, the application's, Redis's
    keys = {value for key, value in secret_values(development).items() if key.endswith("tls.key")}
    for one in development.made:
        assert not any(value in one.clear for value in passwords | keys), one.urn


def test_secrets_reach_pods_as_files_only(either: Recording) -> None:
    for pod in workloads(either):
        for container in pod.spec["containers"]:
            assert not any(
                "valueFrom" in variable and "secretKeyRef" in variable["valueFrom"]
                for variable in container.get("env", [])
            )
            assert not any("secretRef" in source for source in container.get("envFrom", []))


def test_each_secret_is_mounted_by_one_workload(either: Recording) -> None:
    mounted: list[str] = []
    for pod in workloads(either):
        sources = [
            source
            for volume in pod.spec["volumes"]
            for source in [volume, *volume.get("projected", {}).get("sources", [])]
            if "secret" in source
        ]
        mounted += {source["secret"].get("secretName", source["secret"].get("name")) for source in sources}
    assert sorted(mounted) == sorted({one.object_name for one in either.of("Secret")})


def test_nobody_may_read_secrets_through_the_api(either: Recording) -> None:
    assert not either.of("ClusterRole")
    for role in either.of("Role"):
        assert not any("secrets" in rule["resources"] or "*" in rule["resources"] for rule in role.inputs["rules"])


# --- connections


def test_the_connections_that_are_allowed_are_these(development: Recording) -> None:
    """S7.1: from the edge to the application, from there to the data, and no other way."""
    assert connections(development) == {
        ("anybody", "edge", 8080),
        ("anybody", "edge", 8443),
        ("edge", "app", 8080),
        ("edge", "websocket", 8090),
        ("app", "postgres", 5432),
        ("migrations", "postgres", 5432),
        ("app", "redis", 6379),
        ("websocket", "redis", 6379),
        ("postgres", "postgres", 5432),
        ("postgres", "postgres", 8008),
        ("postgres", "172.31.240.2/32", 443),
        ("postgres", "172.31.240.2/32", 6443),
        ("redis", "redis", 6379),
        ("redis", "redis", 26379),
        *(
            (name, resolver, port)
            for name in ("app", "edge", "migrations", "postgres", "redis", "websocket")
            for resolver in ("kube-dns", "169.254.20.10/32")
            for port in (53, 1053)
        ),
    }


def connections(recording: Recording) -> set[tuple[str, str, int]]:
    """(who, whom, port) that both sides' policies allow; outside of the cluster there is only one side."""
    pods = workloads(recording)
    policies = recording.of("NetworkPolicy")

    def about(pod: Pod) -> list[Made]:
        return [
            one for one in policies if one.namespace == pod.namespace and pod.fits(one.inputs["spec"]["podSelector"])
        ]

    def fits(peer: dict[str, Any], pod: Pod) -> bool:
        if "podSelector" not in peer:
            return False
        namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        return namespace == pod.namespace and pod.fits(peer["podSelector"])

    def sides(direction: str, peers: str, named: Callable[[dict[str, Any]], list[str]]) -> set[tuple[str, str, int]]:
        return {
            (pod.workload.name, name, port["port"])
            for pod in pods
            for policy in about(pod)
            for rule in policy.inputs["spec"].get(direction, [])
            for peer in rule.get(peers, [{}])
            for name in named(peer)
            for port in rule["ports"]
        }

    def names(peer: dict[str, Any]) -> list[str]:
        if not peer:
            return ["anybody"]
        if "ipBlock" in peer:
            return [peer["ipBlock"]["cidr"]]
        if peer["podSelector"].get("matchLabels", {}).get("k8s-app"):
            return ["kube-dns"]
        return [pod.workload.name for pod in pods if fits(peer, pod)]

    own = {pod.workload.name for pod in pods}
    out = sides("egress", "to", names)
    into = {(who, whom, port) for whom, who, port in sides("ingress", "from", names)}
    within = out & into
    assert within == {pair for pair in out if pair[1] in own} == {pair for pair in into if pair[0] in own}
    return within | {pair for pair in out if pair[1] not in own} | {pair for pair in into if pair[0] not in own}


# --- what a setting changes

CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "websocket.replicas": ({"vision-week:websocket": {"replicas": 3}}, {"Deployment websocket"}),
    "app.log_level": ({"vision-week:app": {"log_level": "info"}}, {"ConfigMap app", "Deployment app"}),
    "app.session_lifetime": ({"vision-week:app": {"session_lifetime": 60}}, {"ConfigMap app", "Deployment app"}),
    "app.uploads": ({"vision-week:app": {"uploads": "2Gi"}}, {"PersistentVolumeClaim uploads"}),
    "edge.node_port": ({"vision-week:edge": {"node_port": 30444}}, {"Service edge"}),
    "edge.replicas": ({"vision-week:edge": {"replicas": 2}}, {"Deployment edge", "PodDisruptionBudget edge"}),
    "edge.url": (
        {"vision-week:edge": {"url": "https://vision-week.localhost:8444"}},
        {"ConfigMap edge", "Deployment edge", "ConfigMap websocket", "Deployment websocket"},
    ),
    "postgres.max_connections": (
        {"vision-week:postgres": {"max_connections": 60}},
        {"Endpoints postgres-config", "StatefulSet postgres"},
    ),
    "redis.eviction": ({"vision-week:redis": {"eviction": "noeviction"}}, {"ConfigMap redis", "StatefulSet redis"}),
    "tenancy.edge": (
        {"vision-week:tenancy": {"edge": {"pods": 5, "cpu": "1", "memory": "512Mi"}}},
        {"ResourceQuota edge"},
    ),
    "images.app_target": ({"vision-week:images": {"app_target": "production"}}, {"Image app"}),
    "cluster.control_plane": ({"vision-week:cluster": {"control_plane": ["10.0.0.0/28"]}}, {"NetworkPolicy postgres"}),
    "release": (
        {"vision-week:release": "v2"},
        {"Image app", "Image websocket", "Image postgres", "ConfigMap app", "Deployment app"},
    ),
}


@pytest.mark.parametrize("setting", CHANGES)
def test_a_changed_setting_changes_only_what_it_is_about(development: Recording, setting: str) -> None:
    changes, touched = CHANGES[setting]
    assert differences(development, run_stack(changed(changes))) == touched


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The development stack with some settings changed, one level deep."""
    config = stack_config("development")
    for key, value in changes.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    return config


def differences(before: Recording, after: Recording) -> set[str]:
    old, new = ({one.urn: one for one in recording.made} for recording in (before, after))
    touched = {
        urn for urn in old.keys() | new.keys() if urn not in old or urn not in new or old[urn].inputs != new[urn].inputs
    }
    return {f"{one.kind} {one.name}" for urn in touched for one in [old.get(urn) or new[urn]]}


def test_two_stacks_in_one_cluster_share_nothing(development: Recording) -> None:
    other = run_stack(
        changed({"vision-week:storage": {"class_name": "fast-ssd-test"}}) | {"vision-week:namespace_prefix": "test"}
    )
    names = [{(one.kind, one.namespace, one.object_name) for one in stack.objects} for stack in (development, other)]
    assert not names[0] & names[1]


# --- other shapes


def test_a_stack_of_several_members_and_autoscalers_fits_together() -> None:
    config = changed(
        {
            "vision-week:postgres": {"members": 3},
            "vision-week:app": {"replicas": {"min": 2, "max": 4}},
            "vision-week:edge": {"replicas": 2},
        }
    )
    recording = run_stack(config)
    assert dangling(recording, of_the_cluster=OF_THE_CLUSTER) == []
    budgets = {one.name for one in recording.of("PodDisruptionBudget")}
    assert budgets == {"app", "websocket", "edge", "postgres"}


@pytest.mark.parametrize("protect", [True, False])
def test_what_holds_data_is_protected_where_the_settings_say_so(protect: bool) -> None:
    recording = run_stack(stack_config("development") | {"vision-week:protect": protect})
    protected = {f"{one.kind} {one.name}" for one in recording.made if one.protect}
    holding = {
        "Namespace app",
        "Namespace data",
        "Namespace edge",
        "PersistentVolumeClaim uploads",
        "StatefulSet postgres",
        "StatefulSet redis",
    }
    assert protected == (holding if protect else set())


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_what_cannot_be_built_yet_is_refused_in_words(stack: str) -> None:
    with pytest.raises(pulumi.RunError, match=r"vision-week:cluster\.flavour: gke is not built yet; use existing"):
        run_stack(stack_config(stack))


@pytest.mark.parametrize("flavour", ["gateway", "ingress"])
def test_an_edge_that_cannot_be_built_yet_is_refused_in_words(flavour: str) -> None:
    edge = {"flavour": flavour, "url": "https://vision-week.example", "class_name": "some-class"}
    with pytest.raises(pulumi.RunError, match=rf"vision-week:edge\.flavour: {flavour} is not built yet; use nginx"):
        run_stack(stack_config("development") | {"vision-week:edge": edge})


def test_several_members_of_redis_are_refused_until_clients_find_the_primary() -> None:
    """A Service over all members would lead writes to replicas."""
    with pytest.raises(pulumi.RunError, match=r"vision-week:redis\.members: 3 is not built yet"):
        run_stack(changed({"vision-week:redis": {"members": 3}}))


def test_the_program_itself_has_no_logic() -> None:
    program = (CHECKOUT / "__main__.py").read_text()
    assert len(program.splitlines()) <= 30
