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
    "Our images": ("stand-in", "our Dockerfiles, built on stand-ins of their bases; promoted by the same digest"),
    "Artifact Registry": ("stand-in", "the local registry under Google's names: no permissions, no immutable tags"),
    "The way in: balancer, certificates, DNS, Cloud Armor": ("unverified", "nothing obeys a Gateway here"),
    "The encryption by keys": ("unverified", "no key is used"),
    "How long things take at Google, quotas, the bill": ("unverified", "nothing takes time here"),
}
_OF_PLAYED: Final[Mapping[str, tuple[str, str]]] = {
    "Nodes and pods": ("simulated", "every pod is called ready: nothing is scheduled, pulled, mounted or run"),
    "What is in buckets": ("stand-in", "fake-gcs-server, which nothing of the stack's talks to"),
    "A failed zone, a rotation, a restore": ("unverified", "here; without `--played` they are part of a rehearsal"),
}
_OF_REAL: Final[Mapping[str, tuple[str, str]]] = {
    "Nodes and pods": ("real", "kubelets and containerd of upstream's and Debian's, in containers of one machine"),
    "Other people's images": ("stand-in", "Debian's packages under the same names"),
    "Disks": ("stand-in", "folders of this machine that every node has, as a regional disk is in every zone"),
    "Network policies": ("stand-in", "an enforcer of the local cloud's own; Google's addresses are what they see"),
    "Who a pod is at Google": ("stand-in", "a metadata server that gives each pod a token of its own account's"),
    "What is in buckets": ("stand-in", "fake-gcs-server; who may is asked of the simulated cloud's policies"),
    "pgBackRest's way to its bucket": ("real", "its own client, by the pod's identity, over TLS"),
    "GCS FUSE": ("real", "gcsfuse, in the pod's network; its driver and where it runs are a stand-in's"),
    "A failed zone, a rotation, a restore": ("real", "on those pods; a zone is one node here"),
}


def written(stack: str, overrides: Mapping[str, Sequence[str]], done: Sequence[Done], *, played: bool) -> str:
    """The report, as Markdown. played: the pods were."""
    parts = {**_PARTS, **(_OF_PLAYED if played else _OF_REAL)}
    lines = [f"# Rehearsal of {stack}", "", "## Changed settings", ""]
    for name, changed in overrides.items():
        lines += [f"Pulumi.{name}.yaml, but for:", "", *(f"- `{each}`" for each in changed), ""]
    lines += ["## Steps", "", "All of them went well.", "", "| Stack | Step | Changes | Seconds |", "|---|---|---|---|"]
    lines += [f"| {each.stack} | {each.title} | {each.said} | {each.seconds:.0f} |" for each in done]
    lines += ["", "## What it shows", "", "| Part | It was | Which means |", "|---|---|---|"]
    lines += [f"| {part} | **{was}** | {means} |" for part, (was, means) in parts.items()]
    return "\n".join([*lines, ""])
