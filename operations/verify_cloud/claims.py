"""All that is looked at, in its order, and what is not, with the reason: what the documents call unverified."""

from collections.abc import Mapping
from typing import Final

from operations.verify_cloud import at_edge, at_google, in_cluster
from operations.verify_cloud.claim import Claim, Needs, require
from operations.verify_cloud.place import Place


def _second_preview(place: Place) -> str:
    code = place.target.shown("preview", "--expect-no-changes", *place.target.policies)
    require(code == 0, "the preview after the update has changes")
    return "a preview after the update is empty"


CLAIMS: Final = (
    Claim("The second update changes nothing", "docs/google-cloud.md", Needs.PROGRAM, _second_preview),
    *in_cluster.CLAIMS,
    *at_edge.CLAIMS,
    *at_google.CLAIMS,
)

# Claim -> where it is told, and why it isn't looked at.
LEFT_OUT: Final[Mapping[str, tuple[str, str]]] = {
    "The domain's zone, Google's certificates, DNSSEC": (
        "docs/google-cloud.md#the-edge",
        "needs a domain that somebody delegates",
    ),
    "The limit of requests for each client": ("docs/google-cloud.md#the-edge", "takes thousands of requests"),
    "How long a WebSocket may last": ("docs/edge.md", "takes a day"),
    "Another kind of node: the new pool before the old one goes": (
        "docs/running-on-google-cloud.md#another-kind-of-node",
        "takes three machines more, their quota, and a quarter of an hour",
    ),
    "Upgrades of GKE, maintenance windows": ("docs/running-on-google-cloud.md#upgrades-of-gke", "takes weeks"),
    "A failed zone": ("docs/postgres.md", "nobody can have Google's zones fail"),
    "A restore of a snapshot of Backup for GKE": ("docs/google-cloud.md#snapshots", "takes the database away for it"),
    "Promotion between two registries of Google's": ("docs/google-cloud.md#promotion", "needs a second project"),
    "A copy of the backups in another project": ("docs/backups.md", "needs a second project"),
    "The state in a bucket, encrypted by Cloud KMS": ("docs/state.md", "the state is in a folder of this machine"),
    "The pipeline's identity, signed evidence, the audit by Google's logs": (
        "docs/audit.md",
        "needs GitHub, and a bucket that can't be removed",
    ),
    "That the roles suffice, for one who owns no project": ("docs/google-cloud.md#permissions", "needs somebody else"),
    "That keys are rotated, and what is bought by time is removed": ("docs/secrets.md", "takes months"),
    "What it costs": ("docs/google-cloud.md#what-it-costs", "the bill comes days later: look for the label `stack`"),
    "Grafana, the pages and their links, by a person's eyes": ("docs/monitoring.md", "needs a person"),
    "Official plugins, against the rules in this repository": ("docs/local-cloud.md", "has a command of its own"),
}
