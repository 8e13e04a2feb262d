"""What must be there before anything is tried: commands in versions that go together, a cluster, rights in it."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from components.settings import GoogleCluster
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target

_VERSION: Final = re.compile(r"\d+\.\d+(?:\.\d+)?")
_PATIENCE: Final = "10s"
# What a delivery does besides `pulumi up`'s own work, and a sample of that: kind, verb, area or None for none.
_RIGHTS: Final = (
    ("create", "leases.coordination.k8s.io", None),
    ("create", "namespaces", None),
    ("patch", "deployments.apps", "app"),
    ("patch", "secrets", "app"),
    ("patch", "statefulsets.apps", "data"),
)


@dataclass(frozen=True)
class Command:
    """A command that must be there. fits: whether a version will do. hint: how to get it."""

    name: str
    arguments: tuple[str, ...]
    fits: Callable[[str], bool]
    hint: str


def commands(target: Target) -> Iterator[Command]:
    wanted = metadata.version("pulumi")
    yield Command(
        "pulumi",
        ("version",),
        lambda found: found == wanted,
        f'https://www.pulumi.com/docs/install/versions/ has {wanted}; for the local cloud `eval "$(make -s env)"`',
    )
    yield Command(
        "kubectl",
        ("version", "--client"),
        lambda found: found.startswith("1."),
        "https://kubernetes.io/docs/tasks/tools/",
    )
    yield Command("git", ("--version",), lambda _: True, "`apt-get install git`")
    if target.settings.images.promoted_from is None:  # it builds them
        yield Command("docker", ("--version",), lambda _: True, "https://docs.docker.com/engine/install/")
    if isinstance(target.settings.cluster, GoogleCluster):
        yield Command(
            "gke-gcloud-auth-plugin",
            ("--version",),
            lambda _: True,
            "`gcloud components install gke-gcloud-auth-plugin`",
        )


def check(target: Target) -> str:
    """All of it; gives the versions. Raises `DeliveryError` with everything that is missing at once."""
    found, missing = {}, []
    for command in commands(target):
        version = _version(command)
        if version is None:
            missing.append(f"{command.name} is missing: {command.hint}")
        elif not command.fits(version):
            missing.append(f"{command.name} is {version}, which doesn't go with this checkout: {command.hint}")
        else:
            found[command.name] = version
    if missing:
        raise DeliveryError("\n".join(missing), "install what is named, then run the same command again")
    return ", ".join(f"{name} {version}" for name, version in found.items())


def check_cluster(target: Target) -> str:
    """The cluster answers, and lets us do what a delivery does; gives its version."""
    try:
        told = json.loads(target.kubectl("version", "-o", "json", f"--request-timeout={_PATIENCE}"))
        server = told["serverVersion"]["gitVersion"]
    except (DeliveryError, KeyError) as error:
        raise DeliveryError(
            f"The cluster of the context {target.context} doesn't answer: {error}",
            "see that it runs and that KUBECONFIG names it; log in again if the credentials have expired",
        ) from None
    refused = [f"{verb} {kind}" for verb, kind, area in _RIGHTS if not _may(target, verb, kind, area)]
    if refused:
        raise DeliveryError(
            f"The cluster {target.context} doesn't let you {', '.join(refused)}.",
            "deliver with an identity that may: the pipeline's, or the one for emergencies",
        )
    return f"{target.context}, Kubernetes {server}"


def _may(target: Target, verb: str, kind: str, area: str | None) -> bool:
    where = ["-n", target.namespaces[area]] if area else []
    try:
        return target.kubectl("auth", "can-i", verb, kind, *where).strip() == "yes"
    except DeliveryError:
        return False


def _version(command: Command) -> str | None:
    path = shutil.which(command.name)
    if path is None:
        return None
    done = subprocess.run([path, *command.arguments], capture_output=True, text=True, check=False)
    found = _VERSION.search(done.stdout)
    return found[0] if found else done.stdout.strip() or "unknown"
