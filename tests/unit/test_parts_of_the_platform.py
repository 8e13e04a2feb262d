"""The small components: cluster, namespaces, storage, images, certificates, websocket."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import pulumi
import pytest
from pulumi import Output, ResourceOptions

from components.app import Store
from components.catalogue import CATALOGUE, DIGESTS, CatalogueImage
from components.certificates import Authority, AuthorityArgs, ServerCertificate, ServerCertificateArgs
from components.cluster import Cluster, ClusterArgs
from components.images import Images, ImagesArgs
from components.kubernetes import pods_of
from components.logins import Login
from components.settings import Quota
from components.storage import Storage, StorageArgs
from components.tenancy import Tenancy, TenancyArgs
from components.websocket import WebSocket, WebSocketArgs
from tests.unit.parts import endpoint, namespace, settings
from tests.unit.recording import CHECKOUT, Recording, record, run_stack, stack_config


def cluster(**changes: str | None) -> Recording:
    given = {"context": "kind-kind", "kubeconfig": None, "identifier": "kind-kind", **changes}
    args = ClusterArgs(
        context=given["context"] or "", kubeconfig=given["kubeconfig"], identifier=given["identifier"] or ""
    )
    return record(lambda: Cluster("cluster", args))


def test_only_another_identifier_replaces_what_a_cluster_holds() -> None:
    provider = cluster(context="renamed").one("kubernetes", "cluster")
    assert provider.inputs["context"] == "renamed"
    assert provider.inputs["clusterIdentifier"] == "kind-kind"


def test_changed_configuration_is_written_in_place() -> None:
    """Replaced, it would be missing for a moment while pods run on it."""
    provider = cluster().one("kubernetes", "cluster")
    assert provider.inputs["enableConfigMapMutable"] == "true"
    assert provider.inputs["enableSecretMutable"] == "true"


def test_an_edit_by_hand_does_not_stop_the_next_update() -> None:
    assert cluster().one("kubernetes", "cluster").inputs["enablePatchForce"] == "true"


def tenancy() -> Recording:
    quotas = {"app": Quota(pods=5, cpu="2", memory="1Gi"), "data": Quota(pods=1, cpu="1", memory="1Gi")}
    return record(lambda: Tenancy("tenancy", TenancyArgs(prefix="here", quotas=quotas, protect=True)))


def test_namespaces_take_restricted_pods_only() -> None:
    """S7, beyond: Pod Security Standard `restricted`."""
    found = tenancy()
    assert {one.object_name for one in found.of("Namespace")} == {"here-app", "here-data"}
    for one in found.of("Namespace"):
        assert one.metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_pods_that_read_files_of_their_node_have_a_namespace_of_their_own() -> None:
    """DECISIONS: namespaces. The standard has no word for that but `privileged`; the policy pack has."""
    quotas = {area: Quota(pods=5, cpu="2", memory="1Gi") for area in ("app", "node")}
    found = record(lambda: Tenancy("tenancy", TenancyArgs(prefix="here", quotas=quotas, protect=True)))
    levels = {
        one.object_name: one.metadata["labels"]["pod-security.kubernetes.io/enforce"] for one in found.of("Namespace")
    }
    assert levels == {"here-app": "restricted", "here-node": "privileged"}


def test_a_namespace_allows_no_connection_but_look_ups() -> None:
    found = tenancy()
    for area in ("app", "data"):
        deny = found.one("NetworkPolicy", f"{area}-default-deny").inputs["spec"]
        assert (deny["policyTypes"], deny.get("ingress"), deny.get("egress")) == (["Ingress", "Egress"], None, None)
        (rule,) = found.one("NetworkPolicy", f"{area}-dns").inputs["spec"]["egress"]
        assert {(port["protocol"], port["port"]) for port in rule["ports"]} >= {("UDP", 53), ("TCP", 53)}


def test_a_quota_is_what_the_settings_say() -> None:
    assert tenancy().one("ResourceQuota", "app").at("spec", "hard") == {
        "pods": "5",
        "requests.cpu": "2",
        "requests.memory": "1Gi",
        "limits.memory": "1Gi",
    }


@pytest.mark.parametrize(("retain", "policy"), [(True, "Retain"), (False, "Delete")])
def test_volumes_of_the_fast_class_outlive_their_claims_where_asked(retain: bool, policy: str) -> None:
    """S11.1"""
    args = StorageArgs(
        class_name="fast-ssd", provisioner="pd.csi.storage.gke.io", parameters={"type": "pd-ssd"}, retain=retain
    )
    made = record(lambda: Storage("storage", args)).one("StorageClass", "fast-ssd")
    assert made.inputs["reclaimPolicy"] == policy
    assert made.inputs["volumeBindingMode"] == "WaitForFirstConsumer"
    assert made.inputs["parameters"] == {"type": "pd-ssd"}


_UNPINNED = tuple(CATALOGUE)
_BUT_REDIS = tuple(name for name in _UNPINNED if name != "redis")


def images(
    allow_unpinned: tuple[str, ...] = _UNPINNED,
    source: str | None = None,
    fixed: Mapping[str, str] = MappingProxyType({}),
    promoted_from: str | None = None,
) -> Recording:
    args = ImagesArgs(
        registry="registry.example/vision-week",
        release="v1",
        promoted_from=promoted_from,
        app_target="production",
        flutter="3.32.0",
        source=source,
        document_root="web",
        allow_unpinned=allow_unpinned,
        fixed=fixed,
    )
    return record(lambda: Images("images", args))


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ({"path": "../application"}, "../application"),
        ({"git": "https://git.example/app.git", "reference": "0" * 40}, f"https://git.example/app.git#{'0' * 40}"),
    ],
)
def test_another_source_tree_takes_the_place_of_the_reference_application(source: dict[str, str], place: str) -> None:
    """A Git repository at a commit: a branch could be another tree at the next build."""
    image = images(source=settings(source=source).source.location).one("Image", "app")
    assert image.inputs["context"]["named"] == {"application": {"location": place}}
    assert image.inputs["buildArgs"] == {"DOCUMENT_ROOT": "web", "FLUTTER_VERSION": "3.32.0"}
    assert "named" not in images(source=settings().source.location).one("Image", "app").inputs["context"]


def test_our_images_are_built_from_this_checkout_and_pushed() -> None:
    made = {one.name: one for one in images().of("Image")}
    assert set(made) == {"app", "websocket", "postgres"}
    for name, one in made.items():
        assert one.inputs["push"] is True
        assert one.inputs["buildOnPreview"] is False
        assert one.inputs["tags"] == [f"registry.example/vision-week/{name}:v1"]
        dockerfile, context = one.inputs["dockerfile"]["location"], one.inputs["context"]["location"]
        assert (CHECKOUT / dockerfile).is_file()
        assert (CHECKOUT / context).is_dir()
    stages = (CHECKOUT / "images" / "app" / "Dockerfile").read_text()
    assert f" AS {made['app'].inputs['target']}\n" in stages


def test_a_stack_that_promotes_copies_what_another_has_built_and_builds_nothing() -> None:
    """DECISIONS: promotion"""
    made = images(promoted_from="tried.example/vision-week")
    assert made.of("Image") == []
    copies = {one.name: one for one in made.of("Index")}
    assert set(copies) == {"app", "websocket", "postgres"}
    for name, one in copies.items():
        assert one.inputs["tag"] == f"registry.example/vision-week/{name}:v1"
        (source,) = one.inputs["sources"]
        digest = source.removeprefix(f"tried.example/vision-week/{name}@")
        assert re.fullmatch("sha256:[0-9a-f]{64}", digest)


def test_where_two_stacks_share_a_registry_nothing_is_copied() -> None:
    assert images(promoted_from="registry.example/vision-week").of("Index") == []


def test_an_image_of_others_without_a_digest_is_refused_unless_allowed_by_name() -> None:
    with pytest.raises(pulumi.RunError, match=r"redis:.* has no digest"):
        images(allow_unpinned=_BUT_REDIS)


def test_a_digest_in_the_catalogue_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = CatalogueImage(repository="docker.io/library/redis", tag="7.4")
    monkeypatch.setitem(CATALOGUE, "redis", pinned)
    monkeypatch.setitem(DIGESTS, pinned.name, "sha256:0")
    images(allow_unpinned=_BUT_REDIS)
    assert pinned.reference == "docker.io/library/redis:7.4@sha256:0"


def test_an_image_that_is_fixed_runs_in_place_of_what_would_be_built_or_is_in_the_catalogue() -> None:
    """A roll-back brings back what ran, to the byte; a build of the same files may differ."""
    fixed = {name: f"registry.example/{name}@sha256:{'0' * 64}" for name in ("app", "redis")}
    made = images(allow_unpinned=_BUT_REDIS, fixed=fixed)
    assert {one.name for one in made.of("Image")} == {"websocket", "postgres"}


def test_what_is_fixed_reaches_the_pods() -> None:
    fixed = {name: f"registry.example/{name}@sha256:{'0' * 64}" for name in ("app", "nginx", "redis")}
    config = stack_config("development")
    config["vision-week:images"] = {**config["vision-week:images"], "fixed": fixed}
    made = run_stack(config)
    running = {container["image"] for _, template in made.pods() for container in template["spec"]["containers"]}
    assert set(fixed.values()) <= running
    assert made.outputs["images"]["redis"] == fixed["redis"]


def certificates() -> Recording:
    def program() -> None:
        authority = Authority("authority", AuthorityArgs(common_name="here CA"))
        args = ServerCertificateArgs(authority=authority, hosts=["vision-week.example"])
        ServerCertificate("edge", args, ResourceOptions(parent=authority))

    return record(program)


def test_keys_are_elliptic_and_certificates_name_their_hosts() -> None:
    made = certificates()
    assert {(one.inputs["algorithm"], one.inputs["ecdsaCurve"]) for one in made.of("PrivateKey")} == {("ECDSA", "P256")}
    assert made.one("CertRequest", "edge").inputs["dnsNames"] == ["vision-week.example"]


def test_an_authority_outlasts_what_it_signs_and_browsers_take_both() -> None:
    made = certificates()
    authority, server = made.one("SelfSignedCert", "authority"), made.one("LocallySignedCert", "edge")
    assert authority.inputs["isCaCertificate"] is True
    assert server.inputs.get("isCaCertificate") is None
    assert server.inputs["validityPeriodHours"] <= 398 * 24
    assert authority.inputs["earlyRenewalHours"] > server.inputs["validityPeriodHours"]


def websocket(replicas: int) -> Recording:
    args = WebSocketArgs(
        namespace=namespace("apps"),
        settings=settings(websocket={"replicas": replicas}).websocket,
        image="registry.example/websocket@sha256:0",
        redis=Store(
            endpoint=endpoint("redis", "data", 6379),
            peer=pods_of("data", "redis"),
            login=Login(user="websocket", password=Output.secret("redis's")),
            authority=Output.from_input("authority's"),
        ),
        origins=["https://vision-week.example"],
        clients=[pods_of("edge", "edge")],
        notice=5,
        after=[],
        rollout_timeout=300,
    )
    return record(lambda: WebSocket("websocket", args))


def test_the_websocket_service_takes_our_pages_only() -> None:
    config = websocket(2).one("ConfigMap", "websocket").inputs["data"]
    assert config["ALLOWED_ORIGINS"] == "https://vision-week.example"


def test_the_websocket_service_has_time_to_close_its_connections() -> None:
    recording = websocket(2)
    drain = int(recording.one("ConfigMap", "websocket").inputs["data"]["DRAIN_SECONDS"])
    grace = recording.one("Deployment", "websocket").at("spec", "template", "spec", "terminationGracePeriodSeconds")
    assert grace > drain + 5


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_one_websocket_pod_has_no_disruption_budget(replicas: int, budgets: int) -> None:
    """It could never be drained."""
    assert len(websocket(replicas).of("PodDisruptionBudget")) == budgets
