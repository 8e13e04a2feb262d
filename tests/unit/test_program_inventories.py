"""What each stack makes, in texts that are reviewed like code: `tests/unit/inventories`.

After a change that should change them: make test-unit ARGUMENTS=--update-inventories, and read the difference.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

import pulumi
import pytest

from tests.unit.conftest import Stacks
from tests.unit.inventory import body, inventory, title, unknown
from tests.unit.mutations import changed, leaves
from tests.unit.recording import Made, Recording, run_stack
from tests.unit.rendering import lines
from tests.unit.stacks import STACKS, Replacement, buildable, replaced


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_makes_what_its_inventory_says(name: str, stacks: Stacks, reviewed: Callable[[str, str], None]) -> None:
    known, preview = stacks(name), stacks(name, preview=True)
    reviewed(f"{name}.txt", "\n".join([*heading(name), *inventory(known), *not_known_yet(known, preview), ""]))


def heading(stack: str) -> Iterator[str]:
    yield f"What the stack {stack} makes. Left out is what every object or pod has alike (tests/unit/inventory.py):"
    yield "standard labels, hardening, how pods avoid each other. What providers compute stands in parentheses."
    yield ""
    instead = [one.said for one in replaced(stack)]
    if instead:
        yield "NOT BUILT YET, so this is how its workloads would be with"
        yield from (f"    {said}" for said in instead)
        yield ""


def not_known_yet(known: Recording, preview: Recording) -> Iterator[str]:
    yield ""
    yield "== not known in a first preview, which shows all else as it is above"
    yield ""
    yield from unknown(known, preview)


@pytest.mark.parametrize(
    ("name", "one"), [pytest.param(name, one, id=f"{name}-{one.key}") for name in STACKS for one in replaced(name)]
)
def test_nothing_is_replaced_in_a_stack_that_the_program_can_build(name: str, one: Replacement) -> None:
    """When the missing part is there, its replacement has to go."""
    with pytest.raises(pulumi.RunError):
        run_stack(buildable(name, but=one))


def test_no_field_changes_without_the_inventory_showing_it(stack: str, stacks: Stacks) -> None:
    """What it leaves out is only left out as long as it is as it is in all others."""
    unseen = {
        f"{one.kind}: {'.'.join(map(str, path))}"
        for one in listed(stacks(stack))
        for usual in [list(shown(one))]
        for path, value in leaves(dict(one.inputs))
        if path not in IN_THE_TITLE and alike(usual, shown(changed(one, path, another(value))))
    }
    assert {entry for entry in unseen if not hidden(entry)} == set()
    assert any(entry.startswith("Secret: ") for entry in unseen)


IN_THE_TITLE = {("apiVersion",), ("kind",)}


def hidden(entry: str) -> bool:
    """Values of Secrets, and the checksum of what the same inventory shows."""
    return entry.startswith("Secret: stringData.") or entry.endswith(".annotations.vision-week/configuration")


def listed(recording: Recording) -> list[Made]:
    return [one for one in recording.made if not one.type.startswith("vision-week:")]


def another(value: object) -> object:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case dict():
            return {"more": "1"}
        case list():
            return ["more"]
        case _:
            return f"{value}-other"


def shown(one: Made) -> Iterator[str]:
    yield title(one)
    for key, value in sorted(body(one).items()):
        yield from lines(key, value)


def alike(some: Iterable[str], others: Iterable[str]) -> bool:
    """Looks no further than to the first difference."""
    return all(one == other for one, other in zip_longest(some, others))
