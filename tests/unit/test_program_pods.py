"""The whole program on mocks: what all of its pods have in common."""

from components.settings import OURS
from tests.unit.conftest import Stacks
from tests.unit.pods import workloads
from tests.unit.recording import Recording
from tests.unit.stacks import buildable


def test_every_pod_is_hardened(program: Recording) -> None:
    """S7.2 and Pod Security `restricted`."""
    for pod in workloads(program):
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (1000, 1000, 1000)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.spec["enableServiceLinks"] is False
        for container in pod.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_only_who_talks_to_the_api_has_a_token(program: Recording) -> None:
    tokens = {pod.name: pod.spec["automountServiceAccountToken"] for pod in workloads(program)}
    assert {
        "collector": True,
        "edge": False,
        "grafana": False,
        "kube-state-metrics": True,
        "loki": False,
        "node-exporter": False,
        "postgres-backups": False,
        "postgres-backups-watch": True,
        "postgres-repository": False,
    } | tokens == {
        "alertmanager": False,
        "app": False,
        "collector": True,
        "edge": False,
        "grafana": False,
        "kube-state-metrics": True,
        "loki": False,
        "migrations": False,
        "node-exporter": False,
        "postgres": True,
        "postgres-backups": False,
        "postgres-backups-watch": True,
        "postgres-repository": False,
        "probes": False,
        "prometheus": False,
        "redis": False,
        "websocket": False,
    }
    assert all(one.inputs["automountServiceAccountToken"] is False for one in program.of("ServiceAccount"))


def test_every_container_says_what_it_needs(program: Recording) -> None:
    for pod in workloads(program):
        for container in pod.containers:
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert set(requests) == set(limits) == {"cpu", "memory"}
            assert requests["memory"] == limits["memory"]


def test_every_container_that_stays_is_probed(program: Recording) -> None:
    for pod in workloads(program):
        if pod.workload.kind in {"Job", "CronJob"}:
            continue
        assert any("readinessProbe" in container for container in pod.spec["containers"])
        assert all("livenessProbe" in container for container in pod.spec["containers"])


def test_pods_avoid_each_others_nodes_and_zones(program: Recording) -> None:
    """S5.1"""
    for pod in workloads(program):
        (term,) = pod.spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert term["weight"] == 100
        assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
        assert pod.fits(term["podAffinityTerm"]["labelSelector"])
        (spread,) = pod.spec["topologySpreadConstraints"]
        assert spread["topologyKey"] == "topology.kubernetes.io/zone"
        assert pod.fits(spread["labelSelector"])


def test_our_images_run_by_digest_and_others_by_exact_version(stacks: Stacks, stack: str) -> None:
    recording = stacks(stack)
    images = {container["image"] for pod in workloads(recording) for container in pod.containers}
    registry = buildable(stack)["vision-week:images"]["registry"]
    ours = {image for image in images if image.startswith(f"{registry}/")}
    assert {name for name, image in recording.outputs["images"].items() if image in ours} == set(OURS)
    assert all("@sha256:" in image for image in ours)
    # On Google they come through a repository of the stack's own project.
    source = "docker.io" if stack == "development" else f"{registry.rpartition('/')[0]}/docker-io"
    names = (
        "library/haproxy:3.2-bookworm",
        "library/redis:7.4-bookworm",
        "nginx/nginx-prometheus-exporter:1.4.0",
        "oliver006/redis_exporter:v1.67.0",
        "prom/prometheus:v3.5.0",
        "prom/alertmanager:v0.28.1",
        "prom/blackbox-exporter:v0.27.0",
    )
    # Elsewhere the edge is Google's; here Grafana and kube-state-metrics can't be had, logs are left to the pods, and
    # nodes aren't any.
    if stack == "development":
        others = {f"{source}/nginxinc/nginx-unprivileged:1.28-bookworm"}
    else:
        place = source.removesuffix("docker-io")
        state = f"{place}registry-k8s-io/kube-state-metrics/kube-state-metrics:v2.17.0"
        kept = {f"{source}/grafana/loki:3.7.8", f"{source}/otel/opentelemetry-collector-contrib:0.149.0"}
        others = {f"{source}/grafana/grafana:12.1.0", f"{source}/prom/node-exporter:v1.9.1", state, *kept}
    assert images - ours == {*(f"{source}/{name}" for name in names), *others}
    assert images <= set(recording.outputs["images"].values())


def test_no_pod_starts_before_its_namespace_is_guarded(program: Recording) -> None:
    guards = {
        namespace: {
            one.urn
            for one in program.objects
            if one.namespace == namespace
            and (one.kind in {"ResourceQuota", "LimitRange"} or one.object_name in {"default-deny", "dns"})
        }
        for namespace in program.outputs["namespaces"].values()
    }
    assert all(len(found) == 4 for found in guards.values())
    for pod in workloads(program):
        assert guards[pod.namespace] <= pod.workload.depends_on


def test_no_pod_starts_before_its_own_policy(program: Recording) -> None:
    for pod in workloads(program):
        assert program.one("NetworkPolicy", pod.name).urn in pod.workload.depends_on
