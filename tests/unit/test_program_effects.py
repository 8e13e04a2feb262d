"""A changed setting changes what it names and nothing else, in a list that is reviewed: `inventories/effects.txt`.

After a change that should change it: make test-unit ARGUMENTS=--update-inventories, and read the difference.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping

import pytest

from components.settings import Settings
from tests.unit.conftest import INVENTORIES
from tests.unit.effects import (
    BASE,
    EXAMPLES,
    GIVEN,
    WITHOUT_EFFECT,
    Effect,
    Leaf,
    effect,
    effects,
    leaves_of,
    listed,
    reason,
    unexplained,
)
from tests.unit.rendering import WIDTH
from tests.unit.stacks import replaced

pytestmark = pytest.mark.long

LEAVES = tuple(leaves_of(Settings))

Tried = Mapping[str, Effect | None]


@pytest.fixture(scope="module")
def tried() -> Tried:
    """Each setting with another value, but for those that are refused as not built."""
    return effects((leaf for leaf in LEAVES if not leaf.later), listed((INVENTORIES / "effects.txt").read_text()))


def test_a_setting_changes_what_the_list_says_and_nothing_else(
    tried: Tried, reviewed: Callable[[str, str], None]
) -> None:
    reviewed("effects.txt", "\n".join([*heading(), *loud(tried), *silent(), ""]))


def heading() -> Iterator[str]:
    yield f"What each setting changes in the stack {BASE} when it gets another value: those of the program's"
    yield "models, one by one, with the resources that differ then and the fields in which they do. REPLACED: it can't"
    yield "be changed so, and is removed and made anew. A change of what is built also changes the images' digests,"
    yield "which only a build can tell."
    yield ""
    yield f"NOT BUILT YET, so {BASE} is taken with"
    yield from (f"    {one.said}" for one in replaced(BASE))


def loud(tried: Tried) -> Iterator[str]:
    for leaf in LEAVES:
        found = tried.get(leaf.name)
        if found and found.changes:
            yield ""
            yield from found.lines(leaf)


def silent() -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for leaf in LEAVES:
        if why := reason(leaf):
            by_reason.setdefault(why, []).append(leaf.name)
    yield ""
    yield "== without effect today"
    for why, names in by_reason.items():
        yield ""
        yield f"{why}:"
        yield from textwrap.wrap(", ".join(names), WIDTH, initial_indent="    ", subsequent_indent="    ")


def test_no_setting_leaves_a_reference_that_leads_nowhere(tried: Tried) -> None:
    assert [f"{name}: {cut}" for name, found in tried.items() if found for cut in found.cuts] == []


def test_a_setting_without_effect_has_a_reason(tried: Tried) -> None:
    """A promise in a stack's file that nothing keeps is worse than none."""
    assert [wrong for leaf in LEAVES if (wrong := unexplained(leaf, tried.get(leaf.name)))] == []


def test_a_setting_without_effect_would_be_noticed() -> None:
    leaf = Leaf("app.new", ("app", "new"), int, later=False, variant={})
    assert "app.new changes nothing" in str(unexplained(leaf, Effect(1, 2, ())))
    assert "add one to EXAMPLES" in str(unexplained(leaf, None))
    assert unexplained(leaf, Effect(1, 2, ("ConfigMap app: data.NEW",))) is None


def test_a_reason_that_no_longer_holds_would_be_noticed() -> None:
    leaf = Leaf("images.allow_unpinned", ("images", "allow_unpinned"), str, later=False, variant={})
    assert "is said to change nothing" in str(unexplained(leaf, Effect("a", "b", ("ConfigMap app: data.UNPINNED",))))


def test_a_new_setting_is_tried_by_itself() -> None:
    class More(Settings):
        new: int = 1

    assert {leaf.name for leaf in leaves_of(More)} - {leaf.name for leaf in LEAVES} == {"new"}


@pytest.mark.parametrize("name", [*EXAMPLES, *GIVEN, *WITHOUT_EFFECT])
def test_what_is_said_of_a_setting_is_said_of_one_that_there_is(name: str) -> None:
    names = {leaf.name for leaf in LEAVES}
    assert name in names or (name.endswith(".") and any(each.startswith(name) for each in names))


def test_settings_are_changed_together_and_told_apart_where_a_list_is_wrong_about_one() -> None:
    right, wrong = (next(leaf for leaf in LEAVES if leaf.name == name) for name in ("app.workers", "redis.backlog"))
    found = {leaf.name: effect(leaf) for leaf in (right, wrong)}
    assert all(found.values())
    said = {name: list(one.changes) for name, one in found.items() if one}
    for lines in ([], ["StatefulSet redis: spec.replicas"], [*said[wrong.name], "Deployment app: spec.replicas"]):
        assert effects([right, wrong], {**said, wrong.name: lines}) == found


def test_a_list_is_read_as_it_was_written() -> None:
    leaf = Leaf("app.new", ("app", "new"), int, later=False, variant={})
    changes = ("+ Secret app", f"ConfigMap app: {', '.join(f'data.NUMBER_{number}' for number in range(20))}")
    assert listed("\n".join(Effect(1, 2, changes).lines(leaf))) == {"app.new": list(changes)}
