"""The settings of the stack that is made to verify: staging's, but for a short list, which is shown."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from components.stack_file import NAMESPACE
from operations.delivery.target import CHECKOUT
from operations.override import Override
from operations.problem import Problem

_LIKE: Final = CHECKOUT / "Pulumi.staging.yaml"
# For documentation (RFC 5737): until one is reserved.
NO_ADDRESS: Final = "203.0.113.1"


@dataclass(frozen=True, kw_only=True)
class Site:
    """name: of the stack, and of all that has a name of its own. project, number, region: where it is made."""

    name: str
    project: str
    number: int
    region: str


def overrides(site: Site, address: str) -> Iterator[Override]:
    """What is not staging's. Machines are: its pods fit no smaller ones (`checks.room`)."""
    yield Override("purpose", "workbench", "nobody relies on it")
    yield Override("protect", False, "it is removed at the end")
    yield Override("storage.retain", False, "its disks go with it")
    yield Override("namespace_prefix", site.name, "what it makes is known by this name")
    yield Override("cluster.project", site.project, "the project that was named")
    yield Override("cluster.project_number", site.number, "its number")
    yield Override("cluster.region", site.region, "the region that was named")
    yield Override("cluster.apps.max_nodes", 1, "one node in each zone is enough, and costs the least")
    registry = f"{site.region}-docker.pkg.dev/{site.project}/{site.name}"
    yield Override("images.registry", registry, "the project's own, which is all that its nodes may run images of")
    yield Override("images.allow_unpinned", "all", "digests may not have been recorded (make pin-images)")
    domain = f"{site.name}.example"
    yield Override("edge.url", f"https://{domain}", "nobody's domain: there is no zone for it")
    yield Override("edge.api_host", f"api.{domain}", "the same")
    yield Override("edge.websocket_host", f"ws.{domain}", "the same")
    yield Override("edge.address", address, "reserved for it")
    without = "no domain is delegated to it: the stack's own authority signs"
    yield Override("edge.certificate_map", None, without)
    yield Override("edge.dns_zone", None, without)
    yield Override("edge.ssl_policy", site.name, "what it makes is known by this name")
    yield Override("edge.security_policy", site.name, "what it makes is known by this name")
    yield Override("monitoring.receivers", [], "nobody is told of its alerts")


def refuse_somebody_s(project: str) -> None:
    """Raises `Problem` where a stack of the checkout is made in the project: each has one of its own."""
    for file in sorted(CHECKOUT.glob("Pulumi.*.yaml")):
        cluster = yaml.safe_load(file.read_text())["config"].get(f"{NAMESPACE}:cluster")
        if isinstance(cluster, dict) and cluster.get("project") == project:
            raise Problem(
                f"{project} is the project of the stack in {file.name}, whose policy of images and whose registries "
                "would be taken over, and removed at the end.",
                "name a project that is empty, and that nobody relies on",
            )


def write(file: Path, changed: Iterable[Override]) -> None:
    """A copy of staging's with these."""
    config = yaml.safe_load(_LIKE.read_text())["config"]
    for each in changed:
        first, *others = each.path.split(".")
        *parents, last = f"{NAMESPACE}:{first}", *others
        place = config
        for parent in parents:
            place = place.setdefault(parent, {})
        if each.value is None:
            place.pop(last, None)
        else:
            place[last] = each.value
    kept = yaml.safe_load(file.read_text()) if file.exists() else {}
    file.write_text(yaml.safe_dump({**kept, "config": config}, sort_keys=False))
