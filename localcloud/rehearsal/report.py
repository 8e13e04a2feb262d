"""What a rehearsal says of itself: what it did, and how far each part of it can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Done:
    """A step that went well. said: what it changed. seconds: on this machine, with these stand-ins."""

    stack: str
    title: str
    said: str
    seconds: float


# Part -> what it was, and what that shows.
_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "The program, its stack file, the policy pack": ("real", "unmodified but for the settings above"),
    "Pulumi's engine": ("real", "its state by a passphrase instead of Cloud KMS, in a folder of this machine"),
    "Provider plugins": ("stand-in", "the same tokens, properties and behaviour as documented"),
    "Google Cloud": ("simulated", "inputs, order and what Google documents as refused; the caller owns the project"),
    "The cluster's API server and its controllers": ("real", "upstream's, not GKE's; every object was taken by it"),
    "Logging in to the cluster": ("stand-in", "one that gives an administrator's certificate of this machine"),
    "GKE's own kinds (backend, health and Gateway policies)": ("simulated", "known by name; any field is taken"),
    "Nodes and pods": ("simulated", "every pod is called ready: nothing is scheduled, pulled, mounted or run"),
    "Our images": ("stand-in", "our Dockerfiles, built on stand-ins of their bases; promoted by the same digest"),
    "Artifact Registry": ("stand-in", "the local registry under Google's names: no permissions, no immutable tags"),
    "What is in buckets": ("stand-in", "fake-gcs-server"),
    "Traffic, certificates, DNS, Cloud Armor, the encryption by keys": ("unverified", "nothing passes"),
    "How long things take at Google, quotas, the bill": ("unverified", "nothing takes time here"),
    "A failed zone, a rotation, a restore": (
        "unverified",
        "here; on real pods of the local cluster they are tests/cluster's and tests/localcloud's",
    ),
}


def written(stack: str, overrides: Mapping[str, Sequence[str]], done: Sequence[Done]) -> str:
    """The report, as Markdown."""
    lines = [f"# Rehearsal of {stack}", "", "## Changed settings", ""]
    for name, changed in overrides.items():
        lines += [f"Pulumi.{name}.yaml, but for:", "", *(f"- `{each}`" for each in changed), ""]
    lines += ["## Steps", "", "All of them went well.", "", "| Stack | Step | Changes | Seconds |", "|---|---|---|---|"]
    lines += [f"| {each.stack} | {each.title} | {each.said} | {each.seconds:.0f} |" for each in done]
    lines += ["", "## What it shows", "", "| Part | It was | Which means |", "|---|---|---|"]
    lines += [f"| {part} | **{was}** | {means} |" for part, (was, means) in _PARTS.items()]
    return "\n".join([*lines, ""])
