"""What a stack stands on when it runs on Google Cloud, on mocks: what Google itself says to it is not known here."""

import json
import re
from typing import Any

import pulumi
import pulumi_gcp
import pytest
import yaml

from components.google import access
from components.google.foundation import Foundation, FoundationArgs
from components.settings import GatewayEdge, GoogleCluster, Snapshots
from tests.unit.conftest import Stacks
from tests.unit.faults import GATEWAY, GKE, changed, faults, refused, told
from tests.unit.parts import LEAST
from tests.unit.recording import CHECKOUT, Made, Recording, computed, record, run_stack
from tests.unit.stacks import buildable

# Of the week, as a maintenance window names them.
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

PLACE = "europe-west1-docker.pkg.dev/a-project"
_OBJECT_USER = "roles/storage.objectUser"


def google(
    *,
    preview: bool = False,
    protect: bool = True,
    uploads_days: int = 30,
    snapshots: Snapshots | None = None,
    edge: Any = None,
    **changes: Any,
) -> Recording:
    args = FoundationArgs(
        prefix="here",
        settings=GoogleCluster.model_validate({**GKE, **changes}),
        registry=f"{PLACE}/ours",
        kept=["data"],
        backups=["ns/here-data/sa/writer"],
        backups_copied_by=3,
        purpose="live",
        uploads_user="ns/here-app/sa/app",
        uploads_days=uploads_days,
        snapshots=snapshots or Snapshots(),
        snapshots_of=["here-data"],
        telemetry_writer="ns/here-node/sa/collector",
        traced=True,
        logs_keeper="ns/here-monitoring/sa/loki",
        logs_days=180,
        protect=protect,
        edge=GatewayEdge.model_validate(edge) if edge else None,
    )
    return record(lambda: Foundation("google", args), preview=preview)


EDGE = {
    **GATEWAY,
    "api_host": "api.vision-week.example",
    "dns_zone": "vision-week.example",
    "certificate_map": "a-map",
    "ssl_policy": "modern",
    "security_policy": "armour",
    "requests_per_minute": 600,
}


@pytest.fixture(scope="module")
def made() -> Recording:
    return google(edge=EDGE)


def gcp(recording: Recording) -> list[Made]:
    return [one for one in recording.made if one.type.startswith("gcp:")]


def of_google(recording: Recording, kind: str, name: str) -> Made:
    """A component may have the kind and name of what it makes."""
    (found,) = [one for one in gcp(recording) if (one.kind, one.name) == (kind, name)]
    return found


# --- the project


def test_every_api_is_enabled_before_it_is_used(made: Recording) -> None:
    apis = {one.inputs["service"]: one.urn for one in made.of("Service")}
    used = {
        "artifactregistry": "artifactregistry",
        "binaryauthorization": "binaryauthorization",
        "certificatemanager": "certificatemanager",
        "compute": "compute",
        "dns": "dns",
        "gkebackup": "gkebackup",
        "container": "container",
        "kms": "cloudkms",
        "logging": "logging",
        "projects": "cloudresourcemanager",
        "pubsub": "pubsub",
        "serviceaccount": "iam",
        "storage": "storage",
    }
    before = {one.urn: set(one.depends_on) for one in made.made}

    def all_before(urn: str) -> set[str]:
        found, open_ = set(), {urn}
        while open_:
            found |= open_
            open_ = {each for one in open_ for each in before.get(one, ())} - found
        return found

    for one in gcp(made):
        if one.kind != "Service":
            module = one.type.split(":")[1].split("/")[0]
            assert apis[f"{used[module]}.googleapis.com"] in all_before(one.urn), one.urn


def test_an_api_stays_enabled_when_the_stack_goes(made: Recording) -> None:
    assert {one.inputs["disableOnDestroy"] for one in made.of("Service")} == {False}


def test_whatever_takes_labels_is_on_the_bill_with_its_stack_and_component() -> None:
    found = google(labels={"cost-centre": "museum"}, edge=EDGE)
    for one in gcp(found):
        for key in labels_of(one):
            labels = one.inputs.get(key, {})
            assert labels.items() >= {"stack": "here", "purpose": "live", "cost-centre": "museum"}.items(), one.urn
            assert "component" in labels, one.urn
    assert [one.kind for one in gcp(found) if labels_of(one)].count("CryptoKey") == 7


def labels_of(one: Made) -> list[str]:
    """The inputs of a type that take labels, by pulumi-gcp's own word."""
    module, kind = one.type.split(":")[1].split("/")[0], one.kind
    arguments = getattr(pulumi_gcp, module)
    known = vars(getattr(arguments, f"{kind}Args", None) or object)
    names = {"labels": "labels", "resource_labels": "resourceLabels"}
    return [key for name, key in names.items() if name in known]


# --- keys


def test_each_key_has_one_user_and_gets_a_new_version_by_itself(made: Recording) -> None:
    """S7.3: rotated automatically."""
    grants = {one.name: one.inputs["member"] for one in made.of("CryptoKeyIAMMember")}
    uses = {"backups", "cluster", "disks", "logs", "registry", "uploads", "vault"}
    assert set(grants) == {one.name for one in made.of("CryptoKey")} == uses
    # The buckets' is Google's own account for storage.
    assert len(set(grants.values())) == len(uses) - 2
    assert all(member.startswith("serviceAccount:service-1@") for member in grants.values())
    assert {one.inputs["rotationPeriod"] for one in made.of("CryptoKey")} == {"7776000s"}
    assert {one.inputs["rotationPeriod"] for one in google(key_rotation_days=30).of("CryptoKey")} == {"2592000s"}


def test_a_key_ring_does_not_ask_for_a_name_that_is_taken_for_ever(made: Recording) -> None:
    """Google never deletes one: a stack that goes and comes again would find its name taken. Left out, the provider
    adds a suffix of its own; with a name of ours it doesn't."""
    assert not str(made.one("KeyRing", "keys").inputs.get("name", "")).startswith("here")


@pytest.mark.parametrize("protect", [True, False])
def test_what_holds_data_on_google_is_protected_where_the_settings_say_so(protect: bool) -> None:
    found = google(protect=protect, edge=EDGE)
    protected = {f"{one.kind} {one.name}" for one in found.made if one.protect}
    keys = {
        "KeyRing keys",
        *(f"CryptoKey {use}" for use in ("backups", "cluster", "disks", "logs", "registry", "uploads", "vault")),
    }
    stores = {
        "Bucket backups",
        "Bucket logs",
        "Cluster cluster",
        "Repository ours",
        "Bucket uploads",
        "BackupPlan snapshots",
    }
    stores |= {"ManagedZone zone"}
    assert protected == (keys | stores if protect else set())
    assert cluster(found)["deletionProtection"] is protect
    assert found.one("Bucket", "uploads").inputs["forceDestroy"] is not protect


# --- network


def test_nothing_has_a_public_address_and_one_way_leads_out(made: Recording) -> None:
    assert cluster(made)["privateClusterConfig"]["enablePrivateNodes"] is True
    assert cluster(made)["privateClusterConfig"]["enablePrivateEndpoint"] is True
    assert cluster(made)["masterAuthorizedNetworksConfig"] == {"gcpPublicCidrsAccessEnabled": False}
    assert {one.inputs["networkConfig"]["enablePrivateNodes"] for one in made.of("NodePool")} == {True}
    assert of_google(made, "Network", "network").inputs["autoCreateSubnetworks"] is False
    assert made.one("RouterNat", "nat").inputs["sourceSubnetworkIpRangesToNat"] == "ALL_SUBNETWORKS_ALL_IP_RANGES"
    assert cluster(made)["subnetwork"] == "nodes-id"


def test_the_control_plane_has_an_address_in_a_subnet_that_policies_know(made: Recording) -> None:
    """Where addresses are switched off, Google's provider leaves the subnet out, and nobody knows where it is."""
    assert cluster(made)["privateClusterConfig"]["privateEndpointSubnetwork"] == "control-plane-id"
    assert "ipEndpointsConfig" not in cluster(made)["controlPlaneEndpointsConfig"]


def test_the_ranges_are_those_of_the_settings() -> None:
    network = {"nodes": "10.1.0.0/20", "pods": "10.2.0.0/16", "services": "10.3.0.0/20", "control_plane": "10.4.0.0/28"}
    found = google(network=network)
    nodes, control_plane = found.one("Subnetwork", "nodes"), found.one("Subnetwork", "control-plane")
    assert nodes.inputs["ipCidrRange"] == "10.1.0.0/20"
    ranges = {each["rangeName"]: each["ipCidrRange"] for each in nodes.inputs["secondaryIpRanges"]}
    assert ranges == {"pods": "10.2.0.0/16", "services": "10.3.0.0/20"}
    policy = cluster(found)["ipAllocationPolicy"]
    assert {policy["clusterSecondaryRangeName"], policy["servicesSecondaryRangeName"]} == set(ranges)
    assert control_plane.inputs["ipCidrRange"] == "10.4.0.0/28"
    assert {one.inputs["privateIpGoogleAccess"] for one in (nodes, control_plane)} == {True}
    assert {one.inputs["logConfig"]["metadata"] for one in (nodes, control_plane)} == {"INCLUDE_ALL_METADATA"}


def test_what_comes_in_uninvited_is_refused_at_every_node(made: Recording) -> None:
    rule = made.one("Firewall", "deny-ingress").inputs
    assert (rule["denies"], rule["sourceRanges"]) == ([{"protocol": "all"}], ["0.0.0.0/0"])
    tags = [one.inputs["nodeConfig"]["tags"] for one in made.of("NodePool")]
    assert tags == [rule["targetTags"]] * 2


# --- cluster


def gke(recording: Recording) -> Made:
    return of_google(recording, "Cluster", "cluster")


def cluster(recording: Recording) -> Any:
    return gke(recording).inputs


def test_nodes_have_an_account_of_their_own(made: Recording) -> None:
    """The default one of Compute Engine may edit the whole project."""
    accounts = {one.inputs["nodeConfig"]["serviceAccount"] for one in [*made.of("NodePool"), gke(made)]}
    assert accounts == {computed(made.one("Account", "nodes"))["email"]}


def test_a_node_may_write_logs_and_pull_our_images_and_no_more(made: Recording) -> None:
    roles = [one.inputs["role"] for one in made.of("IAMMember") if one.name.startswith("nodes-")]
    assert roles == ["roles/container.defaultNodeServiceAccount"]
    assert {one.inputs["role"] for one in made.of("RepositoryIamMember")} == {"roles/artifactregistry.reader"}


def test_a_changed_pool_is_there_before_the_old_one_goes(made: Recording) -> None:
    """Only a pool without a name of ours can be made beside the one it replaces."""
    for one in made.of("NodePool"):
        assert not str(one.inputs.get("name", "")).startswith("here")
        assert one.inputs["upgradeSettings"] == {"strategy": "SURGE", "maxSurge": 1, "maxUnavailable": 0}
        assert one.inputs["management"] == {"autoRepair": True, "autoUpgrade": True}


def test_only_the_databases_pool_is_kept_for_who_asks(made: Recording) -> None:
    taints = {one.name: one.inputs["nodeConfig"].get("taints") for one in made.of("NodePool")}
    assert taints == {"apps": None, "data": [{"key": "vision-week/pool", "value": "data", "effect": "NO_SCHEDULE"}]}


def test_the_databases_run_in_the_pool_that_is_kept_for_them(stacks: Stacks) -> None:
    production = stacks("production")
    for name in ("postgres", "redis"):
        pod = production.one("StatefulSet", name).at("spec", "template", "spec")
        assert pod["nodeSelector"] == {"vision-week/pool": "data"}
        (toleration,) = pod["tolerations"]
        assert (toleration["key"], toleration["value"], toleration["effect"]) == (
            "vision-week/pool",
            "data",
            "NoSchedule",
        )
    assert "nodeSelector" not in production.one("Deployment", "app").at("spec", "template", "spec")


def test_a_maintenance_window_may_end_on_the_next_day() -> None:
    found = google(maintenance={"days": ["SA"], "start": "22:30", "hours": 12})
    assert cluster(found)["maintenancePolicy"]["recurringWindow"] == {
        "startTime": "2026-01-01T22:30:00Z",
        "endTime": "2026-01-02T10:30:00Z",
        "recurrence": "FREQ=WEEKLY;BYDAY=SA",
    }


def test_nothing_is_upgraded_on_excluded_days() -> None:
    opening = {"name": "opening-week", "first": "2027-05-01", "last": "2027-05-07"}
    found = google(maintenance={"days": list(DAYS), "exclusions": [opening]})
    assert cluster(found)["maintenancePolicy"]["maintenanceExclusions"] == [
        {
            "exclusionName": "opening-week",
            "startTime": "2027-05-01T00:00:00Z",
            "endTime": "2027-05-07T23:59:59Z",
            "exclusionOptions": {"scope": "NO_UPGRADES"},
        }
    ]


# --- registry


def test_a_tag_of_ours_never_leads_to_another_image(made: Recording) -> None:
    ours = made.one("Repository", "ours").inputs
    assert (ours["repositoryId"], ours["dockerConfig"]) == ("ours", {"immutableTags": True})
    kept = [each for each in ours["cleanupPolicies"] if each["action"] == "KEEP"]
    assert [each["condition"]["tagState"] for each in kept] == ["TAGGED"]


def test_everybody_s_images_come_through_this_project_and_no_other_may_run(stacks: Stacks) -> None:
    production = stacks("production")
    place = "europe-west1-docker.pkg.dev/vision-week-production/"
    (pattern,) = production.one("Policy", "policy").inputs["admissionWhitelistPatterns"]
    assert pattern == {"namePattern": f"{place}**"}
    assert production.one("Policy", "policy").at("defaultAdmissionRule", "evaluationMode") == "ALWAYS_DENY"
    mirrors = {one.inputs["repositoryId"] for one in production.of("Repository")}
    for _, template in production.pods():
        for container in [*template["spec"]["containers"], *template["spec"].get("initContainers", [])]:
            assert container["image"].startswith(place)
            assert container["image"].removeprefix(place).partition("/")[0] in mirrors


def test_an_image_is_pushed_only_when_its_repository_is_there(stacks: Stacks) -> None:
    production = stacks("production")
    ours = production.one("Repository", "ours").urn
    assert all(ours in one.depends_on for one in production.of("Image"))


# --- buckets


def test_nobody_but_owners_has_what_google_gives_in_every_new_bucket(stacks: Stacks) -> None:
    """DECISIONS: buckets. Whoever may view a project would read all uploads, lines and backups otherwise."""
    production = stacks("production")
    buckets = {one.inputs["name"] for one in production.of("Bucket")}
    assert len(buckets) > 2
    given = {
        (one.inputs["bucket"], one.inputs["role"]): one.inputs["members"] for one in production.of("BucketIAMBinding")
    }
    roles = ("legacyObjectReader", "legacyObjectOwner", "legacyBucketOwner")
    assert given == {
        (bucket, f"roles/storage.{role}"): ["projectOwner:a-project"] for bucket in buckets for role in roles
    }


# --- backups


def test_backups_are_written_by_the_pods_that_make_them_and_by_nobody_else(made: Recording) -> None:
    """DECISIONS: buckets. By their own identity: no key, and no service account of Google's."""
    grant = of_google(made, "BucketIAMMember", "backups-writer")
    assert grant.inputs["role"] == "roles/storage.objectUser"
    assert grant.inputs["member"] == (
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a-project.svc.id.goog/"
        "subject/ns/here-data/sa/writer"
    )


def test_the_project_that_keeps_a_copy_may_read_the_backups_and_no_more(made: Recording) -> None:
    """DECISIONS: buckets."""
    copies = {
        one.inputs["role"]
        for one in made.of("BucketIAMMember")
        if one.inputs["member"] == "serviceAccount:project-3@storage-transfer-service.iam.gserviceaccount.com"
        and one.inputs["bucket"] == of_google(made, "Bucket", "backups").inputs["name"]
    }
    assert copies == {"roles/storage.objectViewer", "roles/storage.legacyBucketReader"}


def test_a_backup_that_was_deleted_can_be_had_back(made: Recording) -> None:
    """No retention lock: pgBackRest writes its own files anew (DECISIONS: buckets)."""
    bucket = of_google(made, "Bucket", "backups").inputs
    assert bucket["versioning"] == {"enabled": True}
    assert bucket["softDeletePolicy"]["retentionDurationSeconds"] == 30 * 24 * 3600
    assert "retentionPolicy" not in bucket


def test_backups_are_closed_to_the_world_and_encrypted_with_a_key_of_their_own(made: Recording) -> None:
    bucket = of_google(made, "Bucket", "backups")
    assert bucket.inputs["publicAccessPrevention"] == "enforced"
    assert bucket.inputs["uniformBucketLevelAccess"] is True
    assert bucket.inputs["encryption"] == {"defaultKmsKeyName": "backups-id"}
    assert of_google(made, "CryptoKeyIAMMember", "backups").urn in bucket.depends_on
    assert bucket.protect


def test_the_passphrase_of_the_backups_is_put_away_apart_from_the_state(stacks: Stacks) -> None:
    """DECISIONS: backup key. Under a key of its own, and marked as secret all the way."""
    production = stacks("production")
    made = production.one("RandomPassword", "postgres-repository")
    kept = production.one("SecretVersion", "vision-week-backups-passphrase")
    assert kept.inputs["secretData"] == computed(made)["result"]
    assert kept.inputs["secretData"] not in kept.clear
    secret = production.one("Secret", "vision-week-backups-passphrase")
    (replica,) = secret.inputs["replication"]["userManaged"]["replicas"]
    assert replica["customerManagedEncryption"] == {"kmsKeyName": "vault-id"}
    assert secret.protect
    assert kept.protect


def test_a_stack_without_backups_has_no_bucket() -> None:
    without = {"vision-week:purpose": "workbench", "vision-week:postgres": {"backups": {"enabled": False}}}
    chosen = {**buildable("staging"), **without}
    assert "backups" not in {one.name for one in run_stack(chosen).of("Bucket")}


# --- edge


def records(found: Recording) -> list[Made]:
    """Those of the domain's zone; Cloud Storage has one of its own."""
    return [one for one in found.of("RecordSet") if one.inputs["managedZone"].startswith("zone-")]


def test_the_zone_has_every_host_at_the_balancers_address(made: Recording) -> None:
    hosts = {one.inputs["name"]: one.inputs["rrdatas"] for one in records(made) if one.inputs["type"] == "A"}
    assert hosts == {"vision-week.example.": ["203.0.113.10"], "api.vision-week.example.": ["203.0.113.10"]}
    assert made.one("ManagedZone", "zone").at("dnssecConfig", "state") == "on"


def test_each_name_has_a_certificate_that_its_proof_in_the_zone_allows(made: Recording) -> None:
    names = {"@": "vision-week.example", "api": "api.vision-week.example"}
    managed = {one.name: one.inputs["managed"] for one in made.of("Certificate")}
    assert managed == {name: {"domains": [host], "dnsAuthorizations": [f"{name}-id"]} for name, host in names.items()}
    entries = {one.inputs["hostname"]: one.inputs["certificates"] for one in made.of("CertificateMapEntry")}
    assert entries == {host: [f"{name}-id"] for name, host in names.items()}
    proofs = {one.inputs["domain"]: computed(one)["dnsResourceRecords"][0] for one in made.of("DnsAuthorization")}
    assert set(proofs) == set(names.values())
    written = [one.inputs for one in records(made) if one.inputs["type"] == "CNAME"]
    assert {(one["name"], one["rrdatas"][0]) for one in written} == {
        (one["name"], one["data"]) for one in proofs.values()
    }


def test_a_certificate_is_asked_for_when_its_proof_is_in_the_zone(made: Recording) -> None:
    """Google looks at once, and when it finds none only after a while again: nobody could get in until then."""
    for one in made.of("Certificate"):
        assert made.one("RecordSet", f"{one.name}-proof").urn in one.depends_on


def test_names_under_one_star_need_one_proof() -> None:
    found = google(edge={**EDGE, "certificate_names": ("*.vision-week.example", "vision-week.example")})
    assert [one.inputs["domain"] for one in found.of("DnsAuthorization")] == ["vision-week.example"]
    assert {str(one.at("managed", "dnsAuthorizations")) for one in found.of("Certificate")} == {"['@-id']"}
    assert {one.inputs["hostname"] for one in found.of("CertificateMapEntry")} == {
        "*.vision-week.example",
        "vision-week.example",
    }


@pytest.mark.parametrize(
    "names",
    [
        ("*.vision-week.example", "any.vision-week.example", "vision-week.example"),
        ("a-b.vision-week.example", "a.b.vision-week.example", "*.vision-week.example", "vision-week.example"),
        (f"3d-{'x' * 57}.vision-week.example", "*.vision-week.example", "vision-week.example"),
    ],
)
def test_every_name_of_a_host_makes_a_name_that_google_takes_and_no_other_has(names: tuple[str, ...]) -> None:
    found = google(edge={**EDGE, "certificate_names": names})
    for kind in ("Certificate", "CertificateMapEntry", "DnsAuthorization"):
        called = [one.inputs["name"] for one in found.of(kind)]
        assert len(set(called)) == len(called)
        assert all(re.fullmatch(r"[a-z][a-z0-9-]{0,63}", one) for one in called), called
    assert len(found.of("Certificate")) == len(names)


def test_attacks_are_stopped_before_requests_are_counted(made: Recording) -> None:
    """A rule that limits lets through all that it doesn't stop."""
    *attacks, limit, rest = rules(made)
    assert {rule["action"] for rule in attacks} == {"deny(403)"}
    assert any("'sqli-v33-stable'" in rule["match"]["expr"]["expression"] for rule in attacks)
    options = limit["rateLimitOptions"]
    assert options["rateLimitThreshold"] == {"count": 600, "intervalSec": 60}
    assert (options["enforceOnKey"], options["exceedAction"]) == ("IP", "deny(429)")
    assert rest["priority"] == 2147483647


def rules(found: Recording) -> list[Any]:
    made = found.one("SecurityPolicy", "armour").inputs["rules"]
    assert len({rule["priority"] for rule in made}) == len(made)
    return sorted(made, key=lambda rule: int(rule["priority"]))


def test_those_behind_one_proxy_are_not_counted_as_one_client() -> None:
    """All users of a content network would share one bucket (S3, beyond), and attacks come by it as well."""
    proxies = [f"203.0.113.{number}/32" for number in range(11)]
    allowed = rules(google(edge={**EDGE, "trusted_proxies": tuple(proxies)}))[-4:-2]
    assert {rule["action"] for rule in allowed} == {"allow"}
    # Ten are the most that Google takes.
    assert [rule["match"]["config"]["srcIpRanges"] for rule in allowed] == [proxies[:10], proxies[10:]]


def test_a_rule_is_described_in_the_characters_that_google_takes(made: Recording) -> None:
    assert all(len(rule["description"]) <= 64 for rule in rules(made))


def test_tls_before_1_2_is_refused(made: Recording) -> None:
    policy = made.one("SSLPolicy", "ssl-policy").inputs
    assert (policy["name"], policy["minTlsVersion"], policy["profile"]) == ("modern", "TLS_1_2", "MODERN")


def test_what_a_gateway_names_is_there_before_it_and_goes_after_it(stacks: Stacks) -> None:
    production = stacks("production")
    named = {production.one("SSLPolicy", "ssl-policy").urn, production.one("SecurityPolicy", "armour").urn}
    named |= {one.urn for one in [*production.of("CertificateMap"), *production.of("CertificateMapEntry")]}
    assert len(named) == 6
    (gateway,) = production.of("Gateway")
    assert gateway.metadata["annotations"]["networking.gke.io/certmap"] == "vision-week"
    for one in [gateway, *production.of("GCPGatewayPolicy"), *production.of("GCPBackendPolicy")]:
        assert named <= one.depends_on, one.urn


def test_without_a_zone_of_ours_certificates_are_somebody_elses(made: Recording) -> None:
    found = google(edge={**EDGE, "dns_zone": None})
    kinds = ("DnsAuthorization", "Certificate", "CertificateMap", "CertificateMapEntry")
    assert [one.urn for kind in kinds for one in found.of(kind)] == [] == records(found)
    assert all(made.of(kind) for kind in kinds)
    assert found.of("SecurityPolicy")


def test_another_flavour_of_the_edge_asks_nothing_of_google() -> None:
    found = google(edge=None)
    assert [one.urn for one in found.made if "google:Edge" in one.urn] == []


def test_the_edge_of_an_empty_project_can_be_previewed() -> None:
    """What Google will name the proofs isn't known then."""
    assert len(google(edge=EDGE, preview=True).of("Certificate")) == 2


# --- the platform on it


def test_the_kubeconfig_holds_nothing_that_lets_anybody_in(stacks: Stacks) -> None:
    provider = stacks("production").one("kubernetes", "cluster").inputs
    config = json.loads(provider["kubeconfig"])
    (user,) = config["users"]
    assert set(user["user"]) == {"exec"}
    assert user["user"]["exec"]["command"] == access.PLUGIN
    (where,) = config["clusters"]
    assert set(where["cluster"]) == {"server"}
    assert where["cluster"]["server"].startswith("https://gke-")
    assert provider["context"] == config["current-context"]


def test_another_endpoint_replaces_nothing_in_the_cluster(stacks: Stacks) -> None:
    """What the state knows the cluster by is known before the cluster is, and doesn't change with its address."""
    name = "projects/vision-week-production/locations/europe-west1/clusters/vision-week"
    for preview in (False, True):
        provider = stacks("production", preview=preview).one("kubernetes", "cluster")
        assert provider.inputs["clusterIdentifier"] == name


def test_nothing_is_made_in_the_cluster_before_it_has_nodes(stacks: Stacks) -> None:
    production = stacks("production")
    pools = {one.urn for one in production.of("NodePool")}
    assert pools <= production.one("kubernetes", "cluster").depends_on


def test_volumes_of_databases_are_encrypted_with_our_key(stacks: Stacks) -> None:
    parameters = stacks("production").one("StorageClass", "fast-ssd").inputs["parameters"]
    assert parameters["disk-encryption-kms-key"] == "disks-id"


# --- logs


def test_lines_are_kept_in_a_bucket_that_loki_alone_may_use(made: Recording) -> None:
    """S8.3"""
    bucket = of_google(made, "Bucket", "logs")
    assert bucket.inputs["publicAccessPrevention"] == "enforced"
    assert bucket.inputs["encryption"] == {"defaultKmsKeyName": "logs-id"}
    (grant,) = [one for one in made.of("BucketIAMMember") if one.inputs["bucket"] == bucket.inputs["name"]]
    assert grant.inputs["role"] == _OBJECT_USER
    assert grant.inputs["member"].endswith("subject/ns/here-monitoring/sa/loki")


def test_a_line_that_loki_forgot_goes_by_itself_and_nothing_is_kept_for_long_that_went(made: Recording) -> None:
    """Service levels: log retention; DECISIONS: personal data."""
    bucket = of_google(made, "Bucket", "logs").inputs
    conditions = [rule["condition"] for rule in bucket["lifecycleRules"]]
    assert {"age": 187} in conditions
    assert {"daysSinceNoncurrentTime": 1} in conditions
    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": 7 * 24 * 3600}


def test_loki_keeps_lines_in_the_bucket_and_reaches_it_as_its_pod(stacks: Stacks) -> None:
    production = stacks("production")
    configuration = yaml.safe_load(production.one("Secret", "loki").inputs["stringData"]["loki.yaml"])
    name = of_google(production, "Bucket", "logs").inputs["name"]
    assert configuration["common"]["storage"] == {"gcs": {"bucket_name": name}}
    assert [each["object_store"] for each in configuration["schema_config"]["configs"]] == ["gcs"]
    (grant,) = [one for one in production.of("BucketIAMMember") if one.inputs["bucket"] == name]
    assert grant.inputs["member"].endswith("subject/ns/vision-week-monitoring/sa/loki")


# --- uploads


def test_a_former_version_of_an_upload_can_be_had_back_for_the_days_of_the_settings() -> None:
    """S11.2; and for a week more when somebody has deleted the version itself."""
    bucket = google(uploads_days=45).one("Bucket", "uploads").inputs
    assert bucket["versioning"] == {"enabled": True}
    former = {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 45}}
    assert former in bucket["lifecycleRules"]
    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": 604800}


def test_what_is_no_whole_upload_is_all_that_a_rule_takes_away_while_it_is_current(made: Recording) -> None:
    rules = [each["condition"] for each in made.one("Bucket", "uploads").inputs["lifecycleRules"]]
    current = [each for each in rules if "daysSinceNoncurrentTime" not in each]
    assert current == [{"age": 1, "matchesSuffixes": [".part"], "withState": "ANY"}]
    assert '"{$this->directory}/.{$file}.part"' in (CHECKOUT / "app/src/Uploads/Uploads.php").read_text()


def test_uploads_are_encrypted_with_a_key_of_their_own_and_never_public(made: Recording) -> None:
    bucket = made.one("Bucket", "uploads")
    assert bucket.inputs["encryption"] == {"defaultKmsKeyName": "uploads-id"}
    assert made.one("CryptoKeyIAMMember", "uploads").urn in bucket.depends_on
    assert (bucket.inputs["publicAccessPrevention"], bucket.inputs["uniformBucketLevelAccess"]) == ("enforced", True)


def test_the_application_s_own_account_may_use_the_bucket_of_uploads_and_nobody_else(stacks: Stacks) -> None:
    production = stacks("production")
    (grant,) = [one for one in production.of("BucketIAMMember") if "uploads" in one.inputs["bucket"]]
    assert (grant.inputs["bucket"], grant.inputs["role"]) == ("vision-week-production-uploads", _OBJECT_USER)
    pod = production.one("Deployment", "app")
    account = pod.at("spec", "template", "spec", "serviceAccountName")
    assert grant.inputs["member"] == (
        "principal://iam.googleapis.com/projects/100000000001/locations/global/workloadIdentityPools/"
        f"vision-week-production.svc.id.goog/subject/ns/{pod.namespace}/sa/{account}"
    )
    assert {one.urn for one in production.of("NodePool")} <= grant.depends_on, "the pool of identities comes with them"


def test_every_replica_mounts_the_bucket_as_the_application_s_user(stacks: Stacks) -> None:
    """S2.3."""
    production = stacks("production")
    volume, claim = (production.one(kind, "uploads") for kind in ("PersistentVolume", "PersistentVolumeClaim"))
    assert volume.at("spec", "csi") == {
        "driver": "gcsfuse.csi.storage.gke.io",
        "volumeHandle": production.one("Bucket", "uploads").inputs["name"],
    }
    assert claim.at("spec", "volumeName") == volume.object_name
    assert claim.at("spec", "storageClassName") == volume.at("spec", "storageClassName") != ""
    assert claim.at("spec", "accessModes") == volume.at("spec", "accessModes") == ["ReadWriteMany"]
    assert {"uid=1000", "gid=1000"} <= set(volume.at("spec", "mountOptions"))
    assert production.one("BucketIAMMember", "user").urn in volume.depends_on
    assert production.one("RecordSet", "storage").urn in volume.depends_on
    annotations = production.one("Deployment", "app").at("spec", "template", "metadata", "annotations")
    assert annotations["gke-gcsfuse/volumes"] == "true"


def test_what_fsync_says_of_an_upload_is_true_of_the_bucket(stacks: Stacks) -> None:
    """Streamed, it would be in the bucket only after `close`, and PHP doesn't say how that ends."""
    options = stacks("production").one("PersistentVolume", "uploads").at("spec", "mountOptions")
    assert "write:enable-streaming-writes:false" in options


def test_an_upload_that_another_pod_has_just_stored_is_not_taken_for_missing(stacks: Stacks) -> None:
    options = stacks("production").one("PersistentVolume", "uploads").at("spec", "mountOptions")
    assert "metadata-cache:negative-ttl-secs:0" in options


def test_the_container_that_mounts_the_bucket_grows_with_php_s_workers() -> None:
    def annotations(workers: int) -> dict[str, str]:
        config = buildable("production")
        config["vision-week:app"] = {"workers": workers, "replicas": {"min": 3, "max": 4}}
        found: dict[str, str] = (
            run_stack(config).one("Deployment", "app").at("spec", "template", "metadata", "annotations")
        )
        return found

    few, many = annotations(5), annotations(10)
    assert (few["gke-gcsfuse/memory-limit"], many["gke-gcsfuse/memory-limit"]) == ("208Mi", "288Mi")
    stagings = [each["gke-gcsfuse/ephemeral-storage-limit"] for each in (few, many)]
    # 10 MB and the form around it for each.
    assert stagings == ["114Mi", "164Mi"]


def test_the_application_reaches_cloud_storage_and_its_identity_and_nothing_else_of_the_internet(
    stacks: Stacks,
) -> None:
    production = stacks("production")
    outside = [
        (peer["ipBlock"]["cidr"], port["port"])
        for rule in production.one("NetworkPolicy", "app").at("spec", "egress")
        for peer in rule["to"]
        for port in rule["ports"]
        if "ipBlock" in peer
    ]
    assert outside == [("169.254.169.254/32", 80), ("199.36.153.4/30", 443)]
    zone = production.one("ManagedZone", "storage")
    assert (zone.inputs["dnsName"], zone.inputs["visibility"]) == ("storage.googleapis.com.", "private")
    addresses = production.one("RecordSet", "storage").inputs["rrdatas"]
    assert addresses == ["199.36.153.4", "199.36.153.5", "199.36.153.6", "199.36.153.7"]


# --- snapshots


def test_volumes_of_databases_have_snapshots_as_often_and_for_as_long_as_the_settings_say() -> None:
    """S11.2."""
    plan = google(snapshots=Snapshots(every_hours=6, keep_days=20)).one("BackupPlan", "snapshots").inputs
    assert plan["backupSchedule"] == {"cronSchedule": "30 */6 * * *"}
    assert plan["retentionPolicy"] == {"backupRetainDays": 20}
    assert google(snapshots=Snapshots(enabled=False)).of("BackupPlan") == []


def test_a_snapshot_brings_volumes_back_and_leaves_everything_else_as_it_is(made: Recording) -> None:
    """S11.2."""
    plan, taken = made.one("RestorePlan", "volumes").inputs, made.one("BackupPlan", "snapshots").inputs
    config = plan["restoreConfig"]
    assert plan["backupPlan"] == "snapshots-id"
    assert config["selectedNamespaces"] == taken["backupConfig"]["selectedNamespaces"]
    assert config["clusterResourceRestoreScope"] == {"noGroupKinds": True}
    assert (config["namespacedResourceRestoreMode"], config["volumeDataRestorePolicy"]) == (
        "MERGE_REPLACE_VOLUME_ON_CONFLICT",
        "RESTORE_VOLUME_DATA_FROM_BACKUP",
    )


def test_snapshots_are_of_every_volume_of_the_databases_class_and_of_no_secret(stacks: Stacks) -> None:
    production = stacks("production")
    config = production.one("BackupPlan", "snapshots").inputs["backupConfig"]
    where = {
        one.namespace
        for one in production.of("StatefulSet")
        if any(claim["spec"]["storageClassName"] == "fast-ssd" for claim in one.at("spec", "volumeClaimTemplates"))
    }
    assert set(config["selectedNamespaces"]["namespaces"]) == where
    assert (config["includeVolumeData"], config["includeSecrets"]) == (True, False)
    assert config["encryptionKey"] == {"gcpKmsEncryptionKey": "cluster-id"}


def test_a_missing_auth_plugin_is_said_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(pulumi.RunError, match=r"gke-gcloud-auth-plugin is not installed.*gcloud components install"):
        run_stack(buildable("production"))


def test_a_cluster_that_is_there_already_needs_nothing_of_google(stacks: Stacks) -> None:
    assert gcp(stacks("development")) == []


# --- settings


def asked(**changes: Any) -> dict[str, Any]:
    return {**GKE, **changes}


def test_images_of_another_project_are_refused_because_none_may_run() -> None:
    assert refused(cluster=GKE, images={"registry": "registry.example/vision-week"}) == [
        "images.registry: is not in the cluster's own project and region, and nothing else may run there; "
        f"write {PLACE}/vision-week"
    ]
    assert told(cluster=GKE, images={"registry": f"{PLACE}/vision-week"}) == []


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"Cost": "some"}, "has Cost: some, which Google doesn't take"),
        ({"cost": "SOME"}, "has cost: SOME, which Google doesn't take"),
        ({"stack": "other"}, "has stack, which the program sets itself"),
    ],
)
def test_labels_that_google_would_refuse_are_refused_here(labels: dict[str, str], said: str) -> None:
    values = changed({**LEAST, "images": {"registry": f"{PLACE}/x"}}, "cluster", asked(labels=labels))
    (fault,) = faults(values)
    assert fault.reason == said


def test_a_maintenance_window_that_google_would_refuse_is_refused_here() -> None:
    images = {"registry": f"{PLACE}/x"}
    (fault,) = refused(cluster=asked(maintenance={"days": ["TU"], "hours": 4}), images=images)
    assert fault.startswith("cluster.maintenance: leaves Google 16 hours in four weeks; it wants 48")
    assert told(cluster=asked(maintenance={"days": ["TU"], "hours": 12}), images=images) == []


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2027-05-02", "2027-05-01", "last (2027-05-01) is before first (2027-05-02)"),
        ("2027-05-01", "2027-05-31", "is 31 days long; Google is kept from upgrades for 30 at most"),
        ("2027-02-29", "2027-03-01", "day is out of range for month"),
    ],
)
def test_days_that_google_would_not_exclude_are_refused_here(first: str, last: str, said: str) -> None:
    (fault, *_) = refused(cluster=excluding({}, first, last), images={"registry": f"{PLACE}/x"})
    assert said in fault


@pytest.mark.parametrize(
    ("window", "first", "last", "hours"),
    [
        ({"days": list(DAYS)}, "2027-05-01", "2027-05-21", 44),
        # The usual window leaves just what Google wants.
        ({}, "2027-05-04", "2027-05-04", 44),
        # Monday's window runs into Tuesday.
        ({"days": ["MO"], "start": "22:00", "hours": 12}, "2027-05-04", "2027-05-04", 36),
    ],
)
def test_exclusions_leave_google_the_hours_that_it_wants(
    window: dict[str, Any], first: str, last: str, hours: int
) -> None:
    (fault,) = refused(cluster=excluding(window, first, last), images={"registry": f"{PLACE}/x"})
    assert f"leaves Google {hours} hours in the 32 days from" in fault


def test_a_wide_window_bears_a_fortnight_without_upgrades() -> None:
    wide = excluding({"days": list(DAYS)}, "2027-05-01", "2027-05-14")
    assert told(cluster=wide, images={"registry": f"{PLACE}/x"}) == []


def excluding(window: dict[str, Any], first: str, last: str) -> dict[str, Any]:
    return asked(maintenance={**window, "exclusions": [{"name": "opening", "first": first, "last": last}]})
