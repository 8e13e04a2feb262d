"""What the program does not build is refused, never silently without effect."""

from typing import Any

import pulumi
import pytest

from components.configuration import parse
from components.fields import walk
from components.unbuilt import refuse_unbuilt, unbuilt
from components.values import LATER
from tests.unit.faults import GATEWAY, GKE, INGRESS, changed
from tests.unit.parts import LEAST
from tests.unit.recording import run_stack, stack_config
from tests.unit.stacks import WEBHOOKS

BUILT = {
    **LEAST,
    "postgres": {"backups": {"enabled": False}},
    "storage": {"snapshots": {"enabled": False}},
}


def said(values: dict[str, Any]) -> list[str]:
    return [f"{fault.path}: {fault.reason}; {fault.hint}" for fault in unbuilt(parse(values))]


def test_settings_that_are_all_built_are_let_through() -> None:
    assert said(BUILT) == []
    refuse_unbuilt(parse(BUILT))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("images.php", "8.3"),
    ],
)
def test_a_setting_without_effect_is_refused_where_it_is_given(path: str, value: Any) -> None:
    base = {**BUILT, "edge": GATEWAY} if path.startswith("edge.") else BUILT
    assert said(changed(base, path, value)) == [
        f"{path}: is not built yet, and would have no effect; leave it out",
    ]


def test_what_is_switched_off_asks_for_nothing() -> None:
    assert said({**BUILT, "monitoring": {"enabled": False}}) == []


@pytest.mark.parametrize("edge", [GATEWAY, INGRESS])
def test_every_flavour_of_the_edge_is_built(edge: dict[str, Any]) -> None:
    assert said({**BUILT, "edge": edge}) == []


def test_backups_have_somewhere_to_go() -> None:
    """A bucket is made in the project of the cluster; whoever has a cluster already names theirs, or takes a volume."""
    assert said({**BUILT, "postgres": {}}) == [
        "postgres.backups.bucket: no bucket is made beside a cluster that is there already; name one that is there, or "
        "set postgres.backups.repository to volume"
    ]
    for there in ({"bucket": "backups"}, {"repository": "volume"}):
        assert said({**BUILT, "postgres": {"backups": there}}) == []
    assert said({**BUILT, "cluster": GKE, "postgres": {}}) == []


def test_every_mark_is_tried_here() -> None:
    marked = {field.path for field in walk() if LATER in field.info.metadata}
    tried = {mark.args[1][index][0] for mark in _marks() for index in range(len(mark.args[1]))}
    assert marked == tried


def _marks() -> list[Any]:
    function: Any = test_a_setting_without_effect_is_refused_where_it_is_given
    return [mark for mark in function.pytestmark if mark.name == "parametrize"]


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_stacks_on_google_cloud_ask_for_nothing_that_is_not_built(stack: str) -> None:
    """What they still need are digests, which `make pin-images` gets where the registries can be reached."""
    with pytest.raises(pulumi.RunError, match="has no digest in"):
        run_stack({**stack_config(stack), "vision-week:webhooks": WEBHOOKS})
