"""Kubeconfigs: how the API server is reached, and who we are to it.

As kubectl does: by content, by path, or by `KUBECONFIG` (several files, the first to say a thing wins), or
`~/.kube/config`. Paths inside a file are relative to it.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from localcloud.plugins.kubernetes.errors import Unreachable

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast, and not everywhere

# Which keys of a cluster or user are paths; data of the same name without a path wins over them.
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True)
class Kubeconfig:
    """What one or several kubeconfigs say, by name."""

    clusters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    users: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    contexts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    current: str = ""

    def active_cluster(self, context: str = "", cluster: str = "") -> Mapping[str, Any] | None:
        """The cluster that these overrides choose; None where it isn't in the kubeconfig."""
        chosen = self.contexts.get(context or self.current)
        return None if chosen is None else self.clusters.get(cluster or chosen.get("cluster", ""))


@dataclass(frozen=True)
class Connection:
    """One context, resolved: where the server is, what it proves itself by, who we are, and our default namespace."""

    server: str
    authority: bytes | None
    verify: bool
    server_name: str
    proxy: str
    namespace: str
    user: Mapping[str, Any]
    cluster: Mapping[str, Any]


def parse(text: str, directory: Path | None = None) -> Kubeconfig:
    """A kubeconfig's content, YAML or JSON. `directory` is where its relative paths start."""
    try:
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506  a safe loader, see above
    except yaml.YAMLError as error:
        raise Unreachable(f"the kubeconfig is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise Unreachable("the kubeconfig is not a mapping")
    return Kubeconfig(
        clusters={name: _anchored(item, directory) for name, item in _entries(content, "clusters", "cluster")},
        users={name: _anchored(item, directory) for name, item in _entries(content, "users", "user")},
        contexts=dict(_entries(content, "contexts", "context")),
        current=content.get("current-context") or "",
    )


def load(given: str | Mapping[str, Any] | None) -> Kubeconfig:
    """The kubeconfig that a provider's `kubeconfig` names, by content or path; the environment's where it is empty."""
    if isinstance(given, Mapping):
        return parse(json.dumps(given))
    if not given:
        return _from_environment()
    if "\n" not in given and not given.lstrip().startswith("{"):
        return _from_file(Path(given).expanduser())
    return parse(given)


def connect(kubeconfig: Kubeconfig, context: str = "", cluster: str = "", namespace: str = "") -> Connection:
    """Resolve a context; the arguments override what the kubeconfig says."""
    name = context or kubeconfig.current
    if not kubeconfig.clusters:
        raise Unreachable(
            "no kubeconfig: neither the provider's `kubeconfig` nor KUBECONFIG nor ~/.kube/config has one"
        )
    if name not in kubeconfig.contexts:
        known = ", ".join(sorted(kubeconfig.contexts)) or "none"
        raise Unreachable(f"the kubeconfig has no context {name!r} (it has: {known})")
    chosen = kubeconfig.contexts[name]
    cluster_name = cluster or chosen.get("cluster", "")
    if cluster_name not in kubeconfig.clusters:
        raise Unreachable(f"the kubeconfig has no cluster {cluster_name!r}")
    entry = kubeconfig.clusters[cluster_name]
    if not entry.get("server"):
        raise Unreachable(f"the kubeconfig's cluster {cluster_name!r} names no server")
    return Connection(
        server=str(entry["server"]).rstrip("/"),
        authority=content_of(entry, "certificate-authority"),
        verify=not entry.get("insecure-skip-tls-verify", False),
        server_name=entry.get("tls-server-name") or "",
        proxy=entry.get("proxy-url") or "",
        namespace=namespace or chosen.get("namespace") or "default",
        user=kubeconfig.users.get(chosen.get("user", ""), {}),
        cluster=entry,
    )


def content_of(entry: Mapping[str, Any], key: str) -> bytes | None:
    """What `key` stands for: `<key>-data`, or else the file at `<key>`."""
    try:
        if data := entry.get(f"{key}-data"):
            return base64.b64decode(data)
        if path := entry.get(key):
            return Path(path).read_bytes()
    except (OSError, binascii.Error) as error:
        raise Unreachable(f"the kubeconfig's {key} can't be read: {error}") from None
    return None


def _from_environment() -> Kubeconfig:
    names = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    files = [Path(name) for name in names] or [Path.home() / ".kube" / "config"]
    found = [_from_file(file) for file in files if file.exists()]
    merged = Kubeconfig({}, {}, {}, next((one.current for one in found if one.current), ""))
    for one in reversed(found):
        merged = Kubeconfig(
            {**merged.clusters, **one.clusters},
            {**merged.users, **one.users},
            {**merged.contexts, **one.contexts},
            merged.current,
        )
    return merged


def _from_file(path: Path) -> Kubeconfig:
    try:
        return parse(path.read_text(), path.parent)
    except OSError as error:
        raise Unreachable(f"the kubeconfig can't be read: {error}") from None


def _entries(content: Mapping[str, Any], plural: str, singular: str) -> list[tuple[str, dict[str, Any]]]:
    return [(item["name"], item.get(singular) or {}) for item in content.get(plural) or [] if item.get("name")]


def _anchored(entry: dict[str, Any], directory: Path | None) -> dict[str, Any]:
    if directory is None:
        return entry
    paths: dict[str, Any] = {key: str(directory / entry[key]) for key in _PATHS if entry.get(key)}
    command = (entry.get("exec") or {}).get("command", "")
    if "/" in command:  # a bare name is looked up on PATH
        paths["exec"] = {**entry["exec"], "command": str(directory / command)}
    return {**entry, **paths}
