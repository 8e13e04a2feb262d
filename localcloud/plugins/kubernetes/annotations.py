"""What a program may say to the provider about one object: the `pulumi.com/…` annotations."""

import json
from collections.abc import Mapping
from typing import Any, Final

from localcloud.plugins.kubernetes.objects import metadata_of

AUTONAMED: Final = "pulumi.com/autonamed"
FORCE: Final = "pulumi.com/patchForce"
MANAGER: Final = "pulumi.com/patchFieldManager"
PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"
REPLACE_UNREADY: Final = "pulumi.com/replaceUnready"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"
WAIT_FOR: Final = "pulumi.com/waitFor"

_SLOW_TO_GO: Final = frozenset({"DaemonSet", "Deployment", "Namespace", "Pod", "StatefulSet"})
_POLICIES: Final = {"background": "Background", "orphan": "Orphan", "foreground": "Foreground"}


def annotation(item: Mapping[str, Any], name: str) -> str:
    """An annotation's value; empty where it is missing or not known yet."""
    annotations = metadata_of(item).get("annotations")
    value = annotations.get(name) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) else ""


def marked(item: Mapping[str, Any], name: str) -> bool:
    """Whether an annotation says `true`."""
    return annotation(item, name) == "true"


def waits(item: Mapping[str, Any]) -> bool:
    """Whether to wait until the object is ready."""
    return annotation(item, SKIP_AWAIT) not in {"true", "ready"}


def waits_for_deletion(kind: str, item: Mapping[str, Any]) -> bool:
    """Whether to wait until the object is gone: always, but for the kinds that take their time."""
    return kind not in _SLOW_TO_GO or annotation(item, SKIP_AWAIT) != "true"


def seconds(item: Mapping[str, Any], given: float, default: float) -> float:
    """How long to wait: as the resource's options say, else the annotation, else what is usual for the kind."""
    if given:
        return given
    try:
        return float(annotation(item, TIMEOUT) or default)
    except ValueError:
        return default


def propagation(item: Mapping[str, Any]) -> str:
    """What becomes of an object's dependents when it is deleted. By default they go first."""
    return _POLICIES.get(annotation(item, PROPAGATION).lower(), "Foreground")


def expression(item: Mapping[str, Any]) -> Any:
    """The program's own condition for readiness: a text, a list of which all must hold, or `{operator, conditions}`."""
    text = annotation(item, WAIT_FOR)
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return text
    return found if isinstance(found, list | dict) else text
