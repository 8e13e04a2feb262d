"""What a rehearsed stack's settings are instead of what its file says, each with what can't be had here."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from operations.override import Override

# Of the namespaces and of what is cluster-wide, beside the development stack's.
PREFIX: Final = "rehearsal"
_NO_DIGESTS: Final = "other people's registries, which have the digests, are not asked here"
_SIZES: Final = ("resources", "size", "max_connections", "worker_memory")

Settings = Mapping[str, Any]


def needed(settings: Settings) -> Iterator[Override]:
    """What no stack can have on this machine."""
    if settings.get("purpose", "live") == "live":
        yield Override("purpose", "rehearsal", f"a live stack runs nothing without a digest, and {_NO_DIGESTS}")
    yield Override("images.allow_unpinned", "all", _NO_DIGESTS)
    for each in settings.get("monitoring", {}).get("receivers", ()):
        yield Override(
            f"webhooks.{each['secret']}",
            f"https://hooks.example/{each['secret']}",
            "a secret of those who run the stack; nobody is there",
        )


def on_this_machine(settings: Settings, development: Settings) -> Iterator[Override]:
    """What the local cluster does otherwise than one of Google's.

    settings: the stack's. development: those of the local cluster's own stack.
    """
    beside = "the development stack has the other name in the same cluster"
    yield Override("namespace_prefix", PREFIX, beside)
    yield Override("storage.class_name", PREFIX, beside)
    disks = "the local cluster's disks are folders"
    yield Override("storage.provisioner", development["storage"]["provisioner"], disks)
    yield Override("storage.parameters", development["storage"]["parameters"], disks)
    yield Override("cluster.network.control_plane", "172.31.240.0/28", "where the local cluster has its API server")
    for name in ("grafana", "kube_state_metrics"):
        yield Override(f"monitoring.{name}", False, "its image can't be had here")
    google = "the collector's way of logging in to Google, which keeps them too, can't be had here"
    yield Override("monitoring.logs", False, google)
    yield Override("monitoring.traces.enabled", False, google)
    yield Override("purpose", "workbench", "no other one goes without logs")
    yield Override("monitoring.node_exporter", False, "the nodes are containers of one machine")
    yield Override("monitoring.probes", False, "nothing here obeys a Gateway, so the address leads nowhere")
    yield Override("app.replicas", {"min": 3, "max": 5}, "what two processors hold, and PostgreSQL's connections")
    off = {"grafana", "kube-state-metrics", "loki", "probes"}
    kept = [each for each in settings.get("policies", {}).get("exemptions", ()) if each["resource"] not in off]
    yield Override("policies.exemptions", kept, "the others are of what is off")
    for section in ("postgres", "redis", "app", "websocket", "monitoring"):
        for name, value in development[section].items():
            if name.endswith(_SIZES):
                yield Override(f"{section}.{name}", value, "development's, which two processors hold")
