"""What the state keeps of a resource: the live object, and with it what the next update needs to know.

Beside the object's own fields: the inputs that made it, the field manager that owns them, the version of the API that
they were written in. Everything that was secret in the inputs is secret in the live object, and the content of a Secret
is so always.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from localcloud.plugins.kubernetes.annotations import MANAGER, annotation
from localcloud.plugins.kubernetes.objects import from_api, metadata_of
from localcloud.plugins.quarantine import MARK, marked
from localcloud.plugins.values import UNKNOWN, Secret, Values, has_secret, reveal, seal, seal_like

_INPUTS: Final = "__inputs"
_INITIAL: Final = "__initialApiVersion"
_MANAGER: Final = "__fieldManager"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

# What the server alone can say of an object that isn't there yet. A dry run invents them.
_SERVER_MADE: Final = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_SERVICE_MADE: Final = ("clusterIP", "clusterIPs", "healthCheckNodePort")


@dataclass(frozen=True)
class State:
    """What is known of a resource, laid open."""

    inputs: Values
    live: Values
    manager: str
    initial_api_version: str


def parse(outputs: Mapping[str, Any]) -> State:
    """Read what `outputs_of` wrote."""
    live: Values = reveal(outputs)
    live.pop(MARK, None)
    return State(
        inputs=live.pop(_INPUTS, {}),
        manager=live.pop(_MANAGER, ""),
        initial_api_version=live.pop(_INITIAL, ""),
        live=live,
    )


def outputs_of(live: Mapping[str, Any], inputs: Mapping[str, Any], manager: str, initial: str) -> Values:
    """The outputs of a resource whose live object is known. `inputs` still have their secrets."""
    outputs = sealed(from_api(live), inputs)
    outputs[_INPUTS] = sealed_inputs(reveal(inputs), inputs)
    outputs[_INITIAL] = initial
    outputs[_MANAGER] = manager
    return marked(outputs)


def manager_of(inputs: Mapping[str, Any], known: State | None, urn: str) -> str:
    """The name under which the API server remembers which fields are this resource's.

    The program's choice, else the one in use. A new one follows from the resource's URN: an object that an interrupted
    update made, and of which the state knows nothing, is recognised by it.
    """
    chosen = annotation(inputs, MANAGER) or (known.manager if known else "")
    return chosen or f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def unsettled(item: Mapping[str, Any], inputs: Mapping[str, Any]) -> Values:
    """A new object as a preview may show it: without status, and with what only the server decides unknown."""
    found = {key: value for key, value in item.items() if key != "status"}
    if isinstance(found.get("metadata"), Mapping):
        found["metadata"] = {**found["metadata"], **dict.fromkeys(_SERVER_MADE, UNKNOWN)}
    if found.get("kind") == "Service" and isinstance(found.get("spec"), Mapping):
        spec = dict(found["spec"])
        given = inputs.get("spec") if isinstance(inputs.get("spec"), Mapping) else {}
        made = [key for key in _SERVICE_MADE if (key in spec or key == "clusterIP") and key not in (given or {})]
        found["spec"] = {**spec, **dict.fromkeys(made, UNKNOWN)}
    return found


def changed_preview(live: Mapping[str, Any], inputs: Mapping[str, Any]) -> Values:
    """An object as a preview may show it after an update that can't be tried: as it is, with the inputs over it."""
    found = _overlaid({key: value for key, value in live.items() if key != "status"}, inputs)
    if isinstance(found.get("metadata"), Mapping):
        found["metadata"] = {**found["metadata"], "resourceVersion": UNKNOWN, "generation": UNKNOWN}
    return found


def _overlaid(item: Mapping[str, Any], inputs: Mapping[str, Any]) -> Values:
    found = dict(item)
    for key, value in inputs.items():
        before = found.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        found[key] = _overlaid(before, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return found


def sealed_inputs(plain: Mapping[str, Any], inputs: Mapping[str, Any]) -> Values:
    """Inputs with secrets exactly where `inputs` have some, and in a Secret's content in any case."""
    return _with_hidden_content(seal_like(plain, inputs))


def sealed(plain: Mapping[str, Any], inputs: Mapping[str, Any]) -> Values:
    """A live object with secrets wherever the inputs have some, and in a Secret's content in any case."""
    return _with_hidden_content(_sealed(plain, inputs))


def _with_hidden_content(item: Mapping[str, Any]) -> Values:
    found = dict(item)
    if found.get("kind") == "Secret" and found.get("apiVersion") == "v1":
        for key in ("data", "stringData"):
            if found.get(key) is not None:
                found[key] = seal(found[key])
        annotations = metadata_of(found).get("annotations")
        if isinstance(annotations, Mapping) and _LAST_APPLIED in annotations:  # kubectl keeps the whole Secret there
            hidden = {**annotations, _LAST_APPLIED: seal(annotations[_LAST_APPLIED])}
            found["metadata"] = {**found["metadata"], "annotations": hidden}
    return found


def _sealed(plain: Any, inputs: Any) -> Any:
    if isinstance(inputs, Secret):
        return seal(plain)
    if isinstance(plain, Mapping) and isinstance(inputs, Mapping):
        return {key: _sealed(value, inputs.get(key)) for key, value in plain.items()}
    # Not a mapping, and secret somewhere: all of it, for the server may reorder a list.
    return seal(plain) if has_secret(inputs) else plain


def secrets_in(value: Any) -> Iterator[str]:
    """Every secret text in a value."""
    if isinstance(value, Secret):
        yield from _texts(value.value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from secrets_in(item)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)
