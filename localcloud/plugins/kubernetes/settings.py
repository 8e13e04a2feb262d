"""The provider's own configuration: which cluster, and how to treat it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from localcloud.plugins.changes import Change, Diff, compare
from localcloud.plugins.kubernetes.errors import Unreachable
from localcloud.plugins.kubernetes.kubeconfig import load
from localcloud.plugins.provider import Refused
from localcloud.plugins.values import Unknown, Values, reveal

_CLUSTER_KEYS: Final = ("kubeconfig", "context", "cluster")
_IDENTIFIER: Final = "clusterIdentifier"
_RENDER: Final = "renderYamlToDirectory"
_ALWAYS: Final = "alwaysRender"


@dataclass(frozen=True)
class Settings:
    """The configuration, with what isn't given taken from the environment.

    known: False while the cluster itself is only being made, in a preview.
    """

    known: bool
    kubeconfig: str | Mapping[str, Any] | None
    context: str
    cluster: str
    namespace: str
    render_to: str
    always_render: bool
    request_timeout: float | None
    delete_unreachable: bool
    skip_update_unreachable: bool
    config_map_mutable: bool
    secret_mutable: bool
    patch_force: bool
    upsert: bool
    suppress_deprecation_warnings: bool


def settings_of(inputs: Mapping[str, Any]) -> Settings:
    """Read the provider's inputs. The engine hands on as JSON text what isn't text."""
    plain: Values = reveal(inputs)
    client = _parsed(plain.get("kubeClientSettings"))
    timeout = os.environ.get("PULUMI_K8S_CLIENT_TIMEOUT") or (client or {}).get("timeout")
    return Settings(
        known=not any(isinstance(plain.get(key), Unknown) for key in _CLUSTER_KEYS),
        kubeconfig=plain.get("kubeconfig"),
        context=_text(plain, "context"),
        cluster=_text(plain, "cluster"),
        namespace=_text(plain, "namespace"),
        render_to=_text(plain, _RENDER),
        always_render=_true(plain.get(_ALWAYS)),
        request_timeout=float(timeout) if timeout else None,
        delete_unreachable=_flag(plain, "deleteUnreachable", "DELETE_UNREACHABLE"),
        skip_update_unreachable=_flag(plain, "skipUpdateUnreachable", "SKIP_UPDATE_UNREACHABLE"),
        config_map_mutable=_flag(plain, "enableConfigMapMutable", "ENABLE_CONFIGMAP_MUTABLE"),
        secret_mutable=_flag(plain, "enableSecretMutable", "ENABLE_SECRET_MUTABLE"),
        patch_force=_flag(plain, "enablePatchForce", "ENABLE_PATCH_FORCE"),
        upsert=_flag(plain, "upsertExistingObjects", "UPSERT_EXISTING_OBJECTS"),
        suppress_deprecation_warnings=_flag(plain, "suppressDeprecationWarnings", "SUPPRESS_DEPRECATION_WARNINGS"),
    )


def check_settings(inputs: Mapping[str, Any], urn: str) -> None:
    """Refuse settings that contradict each other, and in strict mode those that leave the cluster to chance."""
    plain: Values = reveal(inputs)
    failures = []
    if plain.get(_RENDER):
        failures = [(key, f'"{key}" and "{_RENDER}" exclude each other') for key in _CLUSTER_KEYS if plain.get(key)]
    elif _true(plain.get(_ALWAYS)) and _RENDER not in plain:
        failures = [(_ALWAYS, f'"{_ALWAYS}" means nothing without "{_RENDER}"')]
    if not _flag(plain, "enableServerSideApply", "ENABLE_SERVER_SIDE_APPLY", default=True):
        failures.append(("enableServerSideApply", "the local kubernetes plugin knows server-side apply only"))
    strict = plain.get("strictMode", _parsed(os.environ.get("PULUMI_CONFIG") or "{}").get("strictMode"))
    if _true(strict):
        if urn.rpartition("::")[2].startswith("default"):
            failures.append(("", "strict mode forbids the default provider: give each resource one of your own"))
        failures += [(key, f"strict mode asks for {key!r}") for key in ("kubeconfig", "context") if not plain.get(key)]
    if failures:
        raise Refused(failures)


def diff_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Diff:
    """What a change of the configuration means: replacing the provider replaces every object that it made.

    Where `clusterIdentifier` is given, its change alone replaces. Otherwise the cluster counts that the kubeconfig's
    context leads to; the user and the order of things don't.
    """
    before, after = reveal(old), reveal(new)
    changes = compare(before, after)
    identifiers = before.get(_IDENTIFIER), after.get(_IDENTIFIER)
    replacing: set[str] = set()
    if identifiers[0] and identifiers[0] == identifiers[1]:
        return Diff(changes)
    if identifiers[0] and identifiers[1]:
        replacing.add(_IDENTIFIER)
    if _RENDER in changes:
        replacing.add(_RENDER)
    if any(isinstance(after.get(key), Unknown) for key in _CLUSTER_KEYS) or _cluster_differs(before, after):
        replacing |= set(_CLUSTER_KEYS)
    return Diff({path: Change(change.kind, replace=path in replacing) for path, change in changes.items()})


def _cluster_differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    try:
        clusters = [
            load(inputs.get("kubeconfig")).active_cluster(_text(inputs, "context"), _text(inputs, "cluster"))
            for inputs in (before, after)
        ]
    except Unreachable:
        return False  # one of them can't be read: what can't be told apart is not thrown away
    return None not in clusters and clusters[0] != clusters[1]


def _flag(inputs: Mapping[str, Any], key: str, variable: str, *, default: bool = False) -> bool:
    value = inputs.get(key)
    if value is None or isinstance(value, Unknown):
        value = os.environ.get(f"PULUMI_K8S_{variable}")
    return default if value is None else _true(value)


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _text(inputs: Mapping[str, Any], key: str) -> str:
    value = inputs.get(key)
    return value if isinstance(value, str) else ""


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
