"""What a stack costs: of made-up resources case by case, of staging and production as it was reviewed."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from operations.cost import command, prices
from operations.cost.estimate import Estimate, estimate
from operations.cost.report import difference, page, report
from operations.delivery.comment import markdown
from operations.delivery.preview import Preview
from operations.problem import Problem
from policies.rules import Resource
from tests.policies.seen import resources_of
from tests.unit.conftest import INVENTORIES, Stacks
from tests.unit.recording import CHECKOUT, Made
from tests.unit.test_delivery_preview import Page

GOOGLE = ("staging", "production")


def one(kind: str, name: str = "a", **props: Any) -> Resource:
    return Resource(urn=f"urn:pulumi:a::vision-week::{kind}::{name}", type=kind, name=name, props=props)


def cluster(location: str = "europe-west1", **props: Any) -> Resource:
    return one("gcp:container/cluster:Cluster", location=location, **props)


def pool(least: int, most: int, machine: str = "n2-standard-4", disk: str = "pd-ssd", **props: Any) -> Resource:
    return one(
        "gcp:container/nodePool:NodePool",
        autoscaling={"minNodeCount": least, "maxNodeCount": most},
        nodeConfig={"machineType": machine, "diskType": disk, "diskSizeGb": 100},
        **props,
    )


def claims(size: str, count: int, storage: str = "fast") -> Resource:
    spec = {"resources": {"requests": {"storage": size}}, "storageClassName": storage}
    return one(
        "kubernetes:apps/v1:StatefulSet", "db", spec={"replicas": count, "volumeClaimTemplates": [{"spec": spec}]}
    )


def storage_class(**parameters: str) -> Resource:
    return one("kubernetes:storage.k8s.io/v1:StorageClass", metadata={"name": "fast"}, parameters=parameters)


def gateway(*ports: int) -> Resource:
    return one(
        "kubernetes:gateway.networking.k8s.io/v1:Gateway", spec={"listeners": [{"port": each} for each in ports]}
    )


def sums(what: str, *resources: Resource) -> tuple[str, str]:
    """At least and at most of the lines that begin so, in whole cents."""
    found = [line for line in estimate(resources).lines if line.what.startswith(what)]
    least, most = sum(line.least for line in found), sum(line.most for line in found)
    return f"{least:.2f}", f"{most:.2f}"


# --- single things


@pytest.mark.parametrize(
    ("kind", "region", "dollars"),
    [
        # As the table of prices of the sixth of March 2025 has them, machine by machine.
        ("n2-standard-2", "europe-west1", "0.106834"),
        ("n2-standard-32", "europe-west1", "1.709344"),
        ("n2-highmem-4", "europe-west1", "0.288244"),
        ("n2-highmem-32", "europe-west1", "2.305952"),
        ("n2-standard-32", "europe-west4", "1.710656"),
        ("n2-highmem-32", "europe-west4", "2.307648"),
    ],
)
def test_a_machine_costs_what_its_cores_and_its_memory_do(kind: str, region: str, dollars: str) -> None:
    assert prices.machine(kind, region) == Decimal(dollars)


@pytest.mark.parametrize("kind", ["n2-standard-96", "n2-ultramem-4", "e2-standard-4", "n2-medium", "None"])
def test_a_machine_whose_price_was_not_read_has_none(kind: str) -> None:
    assert prices.machine(kind, "europe-west1") is None


@pytest.mark.parametrize(
    ("resources", "nodes"),
    [
        ([cluster(), pool(1, 3)], ("467.93", "1403.80")),
        ([cluster(), pool(1, 3, nodeLocations=["a", "b"])], ("311.96", "935.87")),
        ([cluster(nodeLocations=["a", "b"]), pool(1, 1)], ("311.96", "311.96")),
        ([cluster("europe-west1-b"), pool(1, 3)], ("0.00", "0.00")),  # prices are a region's
        ([cluster(), one("gcp:container/nodePool:NodePool", nodeCount=2, nodeConfig={"machineType": "n2-standard-4"})],
         ("935.87", "935.87")),
    ],
    ids=["a region", "zones of the pool", "zones of the cluster", "a zone", "no autoscaler"],
)  # fmt: skip
def test_nodes_are_counted_in_every_zone(resources: Sequence[Resource], nodes: tuple[str, str]) -> None:
    assert sums("nodes", *resources) == nodes


@pytest.mark.parametrize(
    ("kind", "month"),
    [
        ({"type": "pd-ssd"}, "17.00"),
        ({"type": "pd-ssd", "replication-type": "none"}, "17.00"),
        ({"type": "pd-ssd", "replication-type": "regional-pd"}, "34.00"),
        ({"type": "pd-balanced", "replication-type": "regional-pd"}, "20.00"),
    ],
)
def test_a_volume_costs_what_its_class_says(kind: dict[str, str], month: str) -> None:
    assert sums("volumes", cluster(), storage_class(**kind), claims("50Gi", 2)) == (month, month)


@pytest.mark.parametrize(("most", "dollars"), [(3, "9.20"), (10, "30.66"), (11, "32.12"), (50, "32.12")])
def test_a_nat_costs_no_more_beyond_32_nodes(most: int, dollars: str) -> None:
    assert sums("NAT", cluster(), pool(1, most), one("gcp:compute/routerNat:RouterNat"))[1] == dollars


@pytest.mark.parametrize(("period", "most"), [("7776000s", "0.30"), ("86400s", "21.96"), (None, "0.06")])
def test_former_versions_of_a_key_cost_on(period: str | None, most: str) -> None:
    assert sums("versions of keys", one("gcp:kms/cryptoKey:CryptoKey", rotationPeriod=period)) == ("0.06", most)


@pytest.mark.parametrize(("ports", "month"), [((443,), "18.25"), ((443, 80, 80), "18.25"), (range(7), "32.85")])
def test_five_forwarding_rules_have_one_price(ports: Sequence[int], month: str) -> None:
    assert sums("forwarding rules", cluster(), gateway(*ports))[0] == month


def test_the_volume_of_a_bucket_is_no_disk() -> None:
    claim = one("kubernetes:core/v1:PersistentVolumeClaim", spec={"volumeName": "uploads"})
    assert [line.what for line in estimate([cluster(), claim]).lines] == ["the cluster itself"]


# --- what has no price


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        (pool(1, 2, machine="c4-standard-4"), "machines c4-standard-4 in europe-west1"),
        (pool(1, 2, disk="hyperdisk-balanced"), "disks of the pool a: 100 GiB hyperdisk-balanced in europe-west1"),
        (claims("50Gi", 2, "premium"), "volumes of db: 50 GiB of the class premium in europe-west1"),
        (one("gcp:compute/securityPolicy:SecurityPolicy"), "Cloud Armor"),
        (one("gcp:gkebackup/backupPlan:BackupPlan"), "Backup for GKE"),
        (one("gcp:sql/databaseInstance:DatabaseInstance"), "DatabaseInstance"),
        (one("kubernetes:core/v1:Service", "edge", spec={"type": "LoadBalancer"}), "balancer of the Service edge"),
        (gateway(443), "traffic to the internet"),
    ],
)
def test_what_was_not_read_is_named_and_not_guessed(resource: Resource, named: str) -> None:
    found = estimate([cluster(), resource])
    assert any(what.startswith(named) for what in found.unpriced)
    assert f"read on {prices.READ}" in report("a", found)


def test_in_a_region_without_prices_all_that_differs_by_region_is_named() -> None:
    found = estimate([cluster("us-east1"), storage_class(type="pd-ssd"), pool(1, 2), claims("50Gi", 2)])
    assert [line.what for line in found.lines] == ["the cluster itself"]
    assert sum(found.unpriced.values()) == 6 + 6 + 2


def test_rights_switches_and_names_cost_nothing_and_are_not_named() -> None:
    free = [
        one("gcp:projects/iAMMember:IAMMember"),
        one("gcp:storage/bucketIAMMember:BucketIAMMember"),
        one("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"),
        one("gcp:artifactregistry/repositoryIamMember:RepositoryIamMember"),
        one("gcp:projects/service:Service"),
    ]
    assert estimate(free) == Estimate(lines=[], used=[], unpriced={})


def test_what_is_paid_by_use_has_a_price_and_no_sum() -> None:
    found = estimate([one("gcp:storage/bucket:Bucket", "uploads"), cluster()])
    assert [(used.what, used.of) for used in found.used] == [
        ("logs, beyond 50 GiB a month", ["a"]),
        ("what is in buckets", ["uploads"]),
    ]
    assert found.least == found.most == Decimal(73)


# --- the prices


def known() -> list[prices.Price]:
    return [*prices.EVERYWHERE.values(), *(each for those in prices.BY_REGION.values() for each in those.values())]


def test_every_price_names_google_s_page_that_says_it() -> None:
    for each in known():
        assert each.source.page.startswith("https://cloud.google.com/")
        assert each.source.copy
        assert each.source.day is None or date(2025, 1, 1) <= each.source.day <= prices.READ
        assert 0 < each.dollars < 1


# --- the stacks


@pytest.mark.parametrize("stack", GOOGLE)
def test_what_a_stack_costs_is_as_it_was_reviewed(
    stack: str, stacks: Stacks, reviewed: Callable[[str, str], None]
) -> None:
    reviewed(f"cost-{stack}.md", report(stack, estimate(resources_of(stacks(stack)))))


def test_the_page_has_the_sums_and_every_price_with_its_source(
    stacks: Stacks, part_of_page: Callable[[Path, str], None]
) -> None:
    estimates = {stack: estimate(resources_of(stacks(stack))) for stack in GOOGLE}
    part_of_page(CHECKOUT / "docs" / "google-cloud.md", page(estimates))


def test_the_first_preview_of_a_stack_says_the_same(stacks: Stacks) -> None:
    known_after, first = (resources_of(stacks("production", preview=each)) for each in (False, True))
    assert estimate(first) == estimate(known_after)


@pytest.mark.parametrize("stack", GOOGLE)
def test_the_command_needs_neither_an_engine_nor_a_project(stack: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "operations.cost", stack]
    done = subprocess.run(words, cwd=CHECKOUT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", (INVENTORIES / f"cost-{stack}.md").read_text())


def test_a_stack_that_nobody_bills_is_refused() -> None:
    refused = CliRunner().invoke(command.app, ["development"]).exception
    assert isinstance(refused, Problem)
    assert "not on Google Cloud" in refused.what


def test_a_preview_and_a_state_of_the_same_stack_cost_the_same(stacks: Stacks, tmp_path: Path) -> None:
    made = stacks("production").made
    texts = {
        "preview": {"steps": steps(made)},
        "state": {
            "deployment": {"resources": [{"urn": each.urn, "type": each.type, "inputs": each.inputs} for each in made]}
        },
    }
    for name, told in texts.items():
        file = tmp_path / name
        file.write_text(json.dumps(told))
        said = CliRunner().invoke(command.app, ["production", "--of", str(file)]).output
        assert said == (INVENTORIES / "cost-production.md").read_text(), name


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"deployment": {}}', '{"steps": [{}]}'])
def test_a_file_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "told.json"
    file.write_text(text)
    refused = CliRunner().invoke(command.app, ["production", "--of", str(file)]).exception
    assert isinstance(refused, Problem)
    assert "neither a preview nor a state" in refused.what


# --- the comment


def steps(made: Sequence[Made]) -> list[dict[str, Any]]:
    """As `pulumi preview --json --show-sames` has what stays the same."""
    return [
        {"op": "same", "urn": each.urn, "oldState": {"inputs": each.inputs}, "newState": {"inputs": each.inputs}}
        for each in made
    ]


def previewed(made: Sequence[Made], **changes: Any) -> Preview:
    """Of a stack whose pool apps is changed so."""
    told = steps(made)
    for step in told:
        if step["urn"].endswith("::apps") and "NodePool" in step["urn"]:
            inputs = step["newState"]["inputs"]
            step["newState"] = {"inputs": {**inputs, **changes}}
            step["op"] = "update" if changes else "same"
    return Preview.of(json.dumps({"steps": told}))


def test_the_comment_says_what_a_change_costs(stacks: Stacks) -> None:
    wider = previewed(stacks("production").made, autoscaling={"minNodeCount": 1, "maxNodeCount": 4})
    page = Page(markdown("production", wider))
    assert page.open == []
    assert "Costs: 1,391 to 3,581 USD a month; this change: +0.00 to +501.00 USD" in page.told("strong")
    assert "nodes of the pool apps, n2-standard-4" in page.told("details")
    assert "Cloud Armor" in page.told("details")


def test_a_change_that_costs_nothing_says_so(stacks: Stacks) -> None:
    assert "this change: +0.00 USD" in markdown("production", previewed(stacks("production").made))


def test_what_is_made_or_goes_is_a_difference() -> None:
    zone = one("gcp:dns/managedZone:ManagedZone")
    assert difference(estimate([]), estimate([zone])) == "+0.20 USD"
    assert difference(estimate([zone, cluster()]), estimate([zone])) == "-73.00 USD"


def test_nothing_is_said_of_costs_where_nobody_bills_or_the_preview_failed(development: Any, stacks: Stacks) -> None:
    assert "Costs:" not in markdown("development", previewed(development.made))
    failed = replace(previewed(stacks("production").made), errors=["no such setting"])
    assert "Costs:" not in markdown("production", failed)
