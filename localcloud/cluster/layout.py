"""Where everything in the local cluster is: names, addresses and ports, fixed so that nothing has to be looked up."""

from dataclasses import dataclass
from pathlib import Path

from localcloud import paths

NETWORK = "vision-week"
BRIDGE = "vision-week0"
SUBNET = "172.31.240.0/24"
HOST = "172.31.240.1"

CONTROL_PLANE = "vision-week-control-plane"
CONTROL_PLANE_ADDRESS = "172.31.240.2"
API_PORT = 16443  # on this machine's loopback
API_INSIDE = f"https://{CONTROL_PLANE_ADDRESS}:6443"

REGISTRY = "vision-week-registry"
REGISTRY_ADDRESS = "172.31.240.3"
REGISTRY_PORT = 5005  # on this machine's loopback, with credentials
REGISTRY_INSIDE = f"http://{REGISTRY_ADDRESS}:5000"  # for the nodes: to read, without credentials
MIRRORED = ("docker.io", "ghcr.io", "quay.io", "registry.k8s.io")
# Artifact Registry of the stacks' regions, which the registry is while one of them is rehearsed.
ARTIFACT_REGISTRIES = ("europe-west1-docker.pkg.dev",)

# What stands where pods look for Google, when it does; and the addresses that they have for Google's.
GOOGLE = "vision-week-google"
GOOGLE_ADDRESS = "172.31.240.4"
BUCKETS = f"http://{GOOGLE_ADDRESS}:4443"  # for this machine alone
METADATA_SERVER = "169.254.169.254"
# Cloud Storage as a private network sees it: https://cloud.google.com/vpc-service-controls/docs/set-up-private-connectivity
GOOGLE_APIS = "199.36.153.4/30"

PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
DOMAIN = "cluster.local"
REGION = "local"

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"

# What a container is labelled with beside the state that it belongs to: the digest of what it was made from.
LABEL_SPEC = "vision-week.localcloud.spec"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node of the cluster; its number gives all the rest.

    published: port on this machine's loopback -> NodePort.
    """

    number: int
    published: tuple[tuple[int, int], ...] = ()

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def container(self) -> str:
        return f"vision-week-{self.name}"

    @property
    def address(self) -> str:
        return f"172.31.240.{10 + self.number}"

    @property
    def pods(self) -> str:
        return f"10.244.{self.number}.0/24"

    @property
    def zone(self) -> str:
        return f"local-{'abc'[self.number - 1]}"


# The edge's port and a second one, so that a stack under test can be reached beside the one that is worked with.
NODES = (Node(number=1, published=((8443, 30443), (8444, 30444))), Node(number=2), Node(number=3))


def home() -> Path:
    """The cluster's own part of the state: certificates, settings of the programs, etcd's data, the nodes' disks."""
    return paths.state() / "cluster"


def kubeconfig() -> Path:
    """The administrator's kubeconfig, for this machine."""
    return paths.state() / "kubeconfig"


def credentials() -> Path:
    """The folder with the docker client configuration (`DOCKER_CONFIG`) that may push to the registry."""
    return paths.state() / "docker"


def names() -> Path:
    """What DNS answers besides the cluster's own names, a name and its addresses a line; may not be there."""
    return home() / "names"


def volumes() -> Path:
    """What the volumes hold: one folder that all nodes share, so that it behaves like a regional disk."""
    return home() / "volumes"
