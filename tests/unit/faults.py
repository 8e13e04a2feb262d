"""Wrong settings, and what is said of them."""

from typing import Any

import pytest

from components.checks import Fault
from components.configuration import SettingsError, parse
from tests.unit.parts import LEAST

GKE = {"flavour": "gke", "project": "a-project", "project_number": 1, "region": "europe-west1"}
GATEWAY = {"flavour": "gateway", "url": "https://vision-week.example", "address": "203.0.113.10"}
INGRESS = {
    "flavour": "ingress",
    "url": "https://vision-week.example",
    "class_name": "some-class",
    "controller_namespace": "ingress-controller",
}


def faults(values: dict[str, Any], **more: Any) -> list[Fault]:
    """What is wrong with these values, nothing where they are right."""
    try:
        parse(values, **more)
    except SettingsError as error:
        return error.faults
    return []


def refused(**changes: Any) -> list[str]:
    """The faults of the least settings with some keys changed, each with its path."""
    with pytest.raises(SettingsError) as caught:
        parse({**LEAST, **changes})
    return [
        f"{fault.path}: {fault.reason}" + (f"; {fault.hint}" if fault.hint else "") for fault in caught.value.faults
    ]


def told(**changes: Any) -> list[str]:
    """The settings that are wrong when some keys of the least are changed."""
    return [fault.path for fault in faults({**LEAST, **changes})]


def changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The values with one more at a path: `app.replicas.min`."""
    first, _, rest = path.partition(".")
    inner = changed(values.get(first) or {}, rest, value) if rest else value
    return {**values, first: inner}
