"""What must be so before anything is made: what `make preflight` looks at, and that the project is nobody's."""

import json
import os
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

from operations.preflight import Finding, Google, RefusedError, findings
from operations.problem import Problem
from operations.verify_cloud.place import Place
from operations.verify_cloud.settings import Site

# What Google says of an API that is not enabled: nothing of it can be there.
_DISABLED: Final = "has not been used in project"


def number_of(project: str, google: Google) -> int:
    """The project's. Raises `Problem` where it can't be seen."""
    try:
        return int(google.get("cloudresourcemanager", f"/v1/projects/{project}")["projectNumber"])
    except RefusedError as refused:
        hint = "mend its name, or ask its owner for roles/owner in it; see docs/google-cloud.md for the first two APIs"
        raise Problem(f"The project {project} can't be seen: {refused}.", hint) from None


def looked_at(place: Place) -> Iterator[Finding]:
    """All of it, in the order in which an update would come upon it."""
    yield from findings(place.settings, place.google, lambda: place.resources)
    yield _login(place.site)
    yield from _nobody_s(place)


def _login(site: Site) -> Finding:
    """Without it our images are built for minutes, and then can't be pushed."""
    host = f"{site.region}-docker.pkg.dev"
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    kept = json.loads(file.read_text()) if file.exists() else {}
    known = host in kept.get("credHelpers", {}) or host in kept.get("auths", {})
    hint = f"gcloud auth configure-docker {host}"
    return Finding(f"a login for {host}", None if known else f"{file} has none", hint)


def _nobody_s(place: Place) -> Iterator[Finding]:
    """A second stack in a project would take the policy of images and the registries over from the first."""
    project, region = place.site.project, place.site.region
    for what, api, path in (
        ("a cluster", "container", f"/v1/projects/{project}/locations/-/clusters"),
        (
            "a repository of a stack",
            "artifactregistry",
            f"/v1/projects/{project}/locations/{region}/repositories/docker-io",
        ),
        ("a bucket of a stack", "storage", f"/storage/v1/b/{place.cluster.uploads}"),
    ):
        problem: str | None = None
        try:
            found = place.google.get(api, path)
            # A list is empty, or has clusters in it; the others are there, or not found.
            if "clusters" in found or "name" in found:
                problem = f"it has {what}"
        except RefusedError as refused:
            # Whose a bucket is that can't be seen was told with the names of all buckets.
            if api != "storage" and _DISABLED not in str(refused) and refused.status != HTTPStatus.NOT_FOUND:
                problem = f"it can't be seen whether it has {what}: {refused}"
        yield Finding(
            f"a project without {what}", problem, "name an empty project; what an earlier run has left: --remove"
        )
