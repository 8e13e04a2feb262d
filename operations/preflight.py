"""Says what is missing before a stack is made in a project of Google Cloud: `make preflight STACK=production`.

It asks Google as whoever runs it, and changes, enables and creates nothing. What would otherwise stop an update
half-way is found here: no login, another project's number, no billing, a permission, an API, a quota, a region with too
few zones, a bucket's name that somebody else has. Once the domain's zone is there, it sees whether the world asks it.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.settings import GatewayEdge, GoogleCluster, Settings
from operations.delivery.target import Target
from operations.problem import Problem
from policies.rules import Resource

_PATIENCE: Final = 30  # seconds
_ZONES: Final = 3
_LOGIN: Final = ("gcloud", "auth", "application-default", "print-access-token")
# What an update runs on this machine -> how to get it.
PROGRAMS: Final[Mapping[str, str]] = {
    "docker": "https://docs.docker.com/engine/install",
    "gcloud": "https://cloud.google.com/sdk/docs/install",
    "gke-gcloud-auth-plugin": "gcloud components install gke-gcloud-auth-plugin",
    "kubectl": "gcloud components install kubectl",
    "pulumi": "https://www.pulumi.com/docs/install",
}
# What a person enables; the program enables the others.
_FIRST: Final = ("cloudresourcemanager", "serviceusage")
# Each role that an update needs (docs/google-cloud.md) -> a permission that tells whether the caller has it.
PERMISSIONS: Final[Mapping[str, str]] = {
    "artifactregistry.admin": "artifactregistry.repositories.create",
    "binaryauthorization.policyEditor": "binaryauthorization.policy.update",
    "certificatemanager.owner": "certificatemanager.certs.delete",
    "cloudkms.admin": "cloudkms.keyRings.create",
    "compute.networkAdmin": "compute.networks.create",
    "compute.securityAdmin": "compute.securityPolicies.create",
    "container.admin": "container.clusters.create",
    "dns.admin": "dns.managedZones.create",
    "gkebackup.admin": "gkebackup.backupPlans.create",
    "iam.serviceAccountAdmin": "iam.serviceAccounts.create",
    "iam.serviceAccountUser": "iam.serviceAccounts.actAs",
    "logging.configWriter": "logging.sinks.create",
    "pubsub.admin": "pubsub.topics.create",
    "resourcemanager.projectIamAdmin": "resourcemanager.projects.setIamPolicy",
    "secretmanager.admin": "secretmanager.secrets.create",
    "serviceusage.serviceUsageAdmin": "serviceusage.services.enable",
    "storage.admin": "storage.buckets.create",
}
# A record that names a domain's servers (RFC 1035, 3.2.2).
_NS: Final = 2
# Families whose processors have no quota of their own.
_COMMON: Final = ("e2", "n1")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """Something that an update needs. problem: None where it is so. hint: what to do."""

    what: str
    problem: str | None = None
    hint: str = ""


@dataclass(frozen=True)
class Google:
    """Google's APIs as somebody. address: of an API, by its name. resolver: answers what the world's DNS says."""

    token: str
    address: Callable[[str], str] = lambda api: f"https://{api}.googleapis.com"
    resolver: str = "https://dns.google"

    def get(self, api: str, path: str, **parameters: str) -> Json:
        return self._answered(api, "GET", path, params=parameters)

    def post(self, api: str, path: str, body: Json) -> Json:
        return self._answered(api, "POST", path, json=body)

    def name_servers(self, domain: str) -> set[str]:
        """Whom the world asks for a domain; nobody, where it is not delegated."""
        asked = {"name": domain, "type": "NS"}
        answer = httpx.get(f"{self.resolver}/resolve", params=asked, timeout=_PATIENCE).raise_for_status().json()
        return {str(each["data"]).lower() for each in answer.get("Answer", ()) if each["type"] == _NS}

    def _answered(self, api: str, method: str, path: str, **more: Any) -> Json:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(method, f"{self.address(api)}{path}", headers=headers, timeout=_PATIENCE, **more)
        if answer.is_success:
            found: Json = answer.json()
            return found
        try:
            said = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            said = answer.text.strip()[:200]
        raise RefusedError(answer.status_code, said)


class RefusedError(Exception):
    """What Google answered instead."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


def made(settings: Settings) -> list[Resource]:
    """What the program would make."""
    # Only here: it loads the whole program.
    from operations.cost.program import resources_of  # noqa: PLC0415

    return resources_of(settings)


def findings(settings: Settings, google: Google, resources: Callable[[], Sequence[Resource]]) -> Iterator[Finding]:
    """Everything that is looked at, in the order in which an update would come upon it.

    resources: what the program would make; asked for last, as it takes seconds to tell.
    """
    cluster = settings.cluster
    assert isinstance(cluster, GoogleCluster)  # noqa: S101  the command has seen to it
    for name, how in PROGRAMS.items():
        missing = shutil.which(name) is None
        yield Finding(f"{name} on PATH", "it is not there" if missing else None, how)
    found = Finding(f"the project {cluster.project}")
    try:
        project = google.get("cloudresourcemanager", f"/v1/projects/{cluster.project}")
    except RefusedError as refused:
        hint = (
            "mend its name in the stack's file, or ask its owner for roles/viewer; the first two APIs must be enabled"
        )
        yield Finding(found.what, str(refused), hint)
        return
    yield _number(cluster, project)
    looks = {
        "billing": _billing(cluster, google),
        "permissions": _permissions(cluster, google),
        "apis": _apis(cluster, google),
        "region": _region(cluster, google),
        "names": _names(cluster, google, resources),
        "domain": _domain(settings, cluster, google),
    }
    for what, look in looks.items():
        try:
            yield from look
        except RefusedError as refused:
            hint = "where it names an API: gcloud services enable API.googleapis.com; else ask for roles/viewer"
            yield Finding(what, f"can't be seen: {refused}", hint)


def _number(cluster: GoogleCluster, project: Json) -> Finding:
    what, state = f"the project {cluster.project}", project.get("lifecycleState")
    if state != "ACTIVE":
        return Finding(what, f"it is {state}", "take back its removal: gcloud projects undelete")
    if (number := str(project.get("projectNumber"))) != str(cluster.project_number):
        return Finding(what, f"its number is {number}, not {cluster.project_number}", "write cluster.project_number")
    return Finding(what)


def _billing(cluster: GoogleCluster, google: Google) -> Iterator[Finding]:
    enabled = google.get("cloudbilling", f"/v1/projects/{cluster.project}/billingInfo").get("billingEnabled")
    hint = f"gcloud billing projects link {cluster.project} --billing-account=ACCOUNT"
    yield Finding("billing", None if enabled else "nobody pays for the project", hint)


def _permissions(cluster: GoogleCluster, google: Google) -> Iterator[Finding]:
    asked = {"permissions": list(PERMISSIONS.values())}
    answer = google.post("cloudresourcemanager", f"/v1/projects/{cluster.project}:testIamPermissions", asked)
    has = set(answer.get("permissions", ()))
    for role, permission in PERMISSIONS.items():
        problem = None if permission in has else f"you have no {permission}"
        yield Finding(f"roles/{role}", problem, f"ask the project's owner for roles/{role}")


def _apis(cluster: GoogleCluster, google: Google) -> Iterator[Finding]:
    for api in _FIRST:
        state = google.get("serviceusage", f"/v1/projects/{cluster.project}/services/{api}.googleapis.com").get("state")
        hint = f"gcloud services enable {api}.googleapis.com --project={cluster.project}"
        yield Finding(f"the API {api}", None if state == "ENABLED" else "it is not enabled", hint)


def _region(cluster: GoogleCluster, google: Google) -> Iterator[Finding]:
    region = google.get("compute", f"/compute/v1/projects/{cluster.project}/regions/{cluster.region}")
    zones = len(region.get("zones", ()))
    yield Finding(
        f"zones of {cluster.region}",
        None if zones >= _ZONES else f"it has {zones}, and the platform takes {_ZONES}",
        "choose another cluster.region",
    )
    quotas = {str(each["metric"]): each for each in region.get("quotas", ())}
    for metric, needed in wanted(cluster).items():
        quota = quotas.get(metric)
        if quota is None:
            yield Finding(f"quota {metric}", f"Google names none; {needed} are needed", "look at the console's quotas")
            continue
        free = int(quota["limit"] - quota.get("usage", 0))
        problem = None if free >= needed else f"{free} are free, and {needed} are needed"
        yield Finding(
            f"quota {metric}", problem, f"ask for more of {metric} in {cluster.region}, or write smaller pools"
        )


def _names(cluster: GoogleCluster, google: Google, resources: Callable[[], Sequence[Resource]]) -> Iterator[Finding]:
    """Buckets' names, of which there is one each in the world: those that the program would make."""
    names = {str(one.props["name"]) for one in resources() if one.type == "gcp:storage/bucket:Bucket"}
    for name in sorted(names):
        problem = None
        try:
            owner = str(google.get("storage", f"/storage/v1/b/{name}").get("projectNumber"))
        except RefusedError as refused:
            # Whose it is, nobody else is told; that it is free, everybody.
            if refused.status != HTTPStatus.NOT_FOUND:
                problem = f"somebody has it: {refused}"
        else:
            if owner != str(cluster.project_number):
                problem = f"the project {owner} has it"
        hint = f"names begin with the project's, {cluster.project}, and namespace_prefix is in most: write another one"
        yield Finding(f"the bucket {name}", problem, hint)


def _domain(settings: Settings, cluster: GoogleCluster, google: Google) -> Iterator[Finding]:
    """Whether the world asks the zone that is there. The first update makes it; then its name servers are known."""
    edge = settings.edge
    if not isinstance(edge, GatewayEdge) or edge.dns_zone is None:
        return
    zones = google.get("dns", f"/dns/v1/projects/{cluster.project}/managedZones", dnsName=f"{edge.dns_zone}.")
    for zone in zones.get("managedZones", ()):
        ours = {str(each).lower() for each in zone["nameServers"]}
        asked = google.name_servers(edge.dns_zone)
        problem = None if asked == ours else f"the world asks {', '.join(sorted(asked)) or 'nobody'} for it"
        hint = f"have its registrar, or the domain above it, name {', '.join(sorted(ours))}"
        yield Finding(f"the domain {edge.dns_zone}", problem, hint)


def wanted(cluster: GoogleCluster) -> dict[str, int]:
    """Quota -> how much of it the pools take at their largest, with a node more in each zone for an upgrade."""
    found: dict[str, int] = {}
    for pool in (cluster.apps, cluster.data):
        nodes = _ZONES * (pool.max_nodes + 1)
        metric = "CPUS" if pool.family in _COMMON else f"{pool.family.upper()}_CPUS"
        found[metric] = found.get(metric, 0) + nodes * pool.cores
        if pool.disk_type.startswith("pd-"):
            found["SSD_TOTAL_GB"] = found.get("SSD_TOTAL_GB", 0) + nodes * pool.disk_gib
    return found


def token() -> str:
    """Of whoever is logged in here. Raises `Problem` where nobody is."""
    hint = "log in: gcloud auth application-default login"
    try:
        done = subprocess.run(_LOGIN, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Problem("There is no gcloud on PATH.", f"install it: {PROGRAMS['gcloud']}") from None
    if done.returncode != 0 or not done.stdout.strip():
        raise Problem(f"Nobody is logged in to Google Cloud: {done.stderr.strip()}", hint)
    return done.stdout.strip()


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def preflight(stack: Annotated[str, typer.Argument(help="staging, production, or any other on Google Cloud.")]) -> None:
    """Say what is missing before a stack is made on Google Cloud. Asks Google, and changes nothing there."""
    settings = Target.named(stack).settings
    if not isinstance(settings.cluster, GoogleCluster):
        raise Problem(f"{stack} is not on Google Cloud.", "name a stack that is: production")
    try:
        found = list(findings(settings, Google(token()), partial(made, settings)))
    except httpx.HTTPError as error:
        raise Problem(f"Google can't be reached: {error}", "mend the way there, and run it again") from None
    tell(found)
    missing = sum(one.problem is not None for one in found)
    if missing:
        raise Problem(f"{missing} of {len(found)} things are missing; nothing was changed.", "mend what is named above")


def tell(found: Sequence[Finding]) -> None:
    table = Table("", "what", "seen instead", "what to do", box=None)
    for one in found:
        mark = "[red]✗[/red]" if one.problem else "[green]✓[/green]"
        table.add_row(mark, escape(one.what), escape(one.problem or ""), escape(one.hint if one.problem else ""))
    Console(highlight=False, emoji=False).print(table)


def main() -> None:
    """Run it; a problem is told in words."""
    try:
        app()
    except Problem as problem:
        problem.tell()
        sys.exit(1)


if __name__ == "__main__":
    main()
