"""What a program may say to the provider about one object: the `pulumi.com/…` annotations."""

import json
from collections.abc import Mapping
from typing import Any, Final

from localcloud.plugins.kubernetes.objects import metadata_of
from localcloud.plugins.provider import Failed

AUTONAMED: Final = "pulumi.com/autonamed"
FORCE: Final = "pulumi.com/patchForce"
MANAGER: Final = "pulumi.com/patchFieldManager"
PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"
REPLACE_UNREADY: Final = "pulumi.com/replaceUnready"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"
WAIT_FOR: Final = "pulumi.com/waitFor"

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


def waits_for_deletion(item: Mapping[str, Any]) -> bool:
    """Whether to wait until the object is gone."""
    return annotation(item, SKIP_AWAIT) != "true"


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


def conditions(item: Mapping[str, Any]) -> list[str]:
    """The program's own conditions for readiness: one expression, or a JSON list of them."""
    text = annotation(item, WAIT_FOR)
    if not text:
        return []
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    expressions = found if isinstance(found, list) else [text]
    wrong = [one for one in expressions if not str(one).startswith(("jsonpath=", "condition="))]
    if wrong or not expressions:
        raise Failed(
            f"the annotation {WAIT_FOR} must be `jsonpath=…`, `condition=…` or a JSON list of such, not {text!r}"
        )
    return [str(one) for one in expressions]
