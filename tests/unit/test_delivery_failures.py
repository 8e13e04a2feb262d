"""How a delivery ends that fails once something was changed, whatever it is that fails."""

from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from operations.delivery import checks, deploy, moments
from operations.delivery.history import Good, Update
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.rollback import Plan
from operations.delivery.target import Target
from operations.problem import Problem

GOOD = Good(release="v1", program="0" * 40, images={})
RUNS = Update(
    number=1,
    kind="update",
    started="",
    result="succeeded",
    message="",
    changes={},
    settings={"vision-week:release": "v1"},
    good=GOOD,
)
AWAY = DeliveryError("the backend doesn't answer", "log in")


class Place:
    """What is around a delivery. updates: the history, newest first. ends: exit codes of updates, in turn.

    fails: what a step raises, by its name. brought: releases that were put on record as good.
    """

    def __init__(self) -> None:
        self.updates: list[Update] = [RUNS]
        self.ends = [0, 0]
        self.fails: dict[str, list[Exception | None]] = {}
        self.brought: list[str] = []

    def step(self, name: str) -> None:
        if (left := self.fails.get(name)) and (error := left.pop(0)):
            raise error

    def update(self) -> int:
        self.updates = [RUNS, *self.updates]
        return self.ends.pop(0)

    def history(self) -> list[Update]:
        self.step("history")
        return self.updates

    def tests(self) -> list[checks.Result]:
        self.step("tests")
        return []

    def record(self, words: Sequence[str]) -> str:
        self.step("record")
        self.brought.append(words[-1])
        return ""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place()
    monkeypatch.setattr(Target, "shown", lambda *_: place.update())
    monkeypatch.setattr(Target, "pulumi", lambda _, *words: place.record(words))
    monkeypatch.setattr(Target, "outputs", lambda _: {"images": {}})
    monkeypatch.setattr(checks, "run", lambda *_, **__: place.tests())
    monkeypatch.setattr(deploy, "history", lambda _: place.history())
    monkeypatch.setattr(deploy, "keep", lambda _: place.step("keep"))
    monkeypatch.setattr(deploy, "plan", lambda *_: Plan(update=RUNS, good=GOOD, settings={}, left=()))
    monkeypatch.setattr(moments, "renew", lambda *_: None)
    instead: dict[str, object] = {
        "ready": None,
        "program_of": "1" * 40,
        "migrations": frozenset(),
        "locked": nullcontext(),
        "_agreed": True,
        "_new_migrations": [],
    }
    for what, gives in instead.items():
        monkeypatch.setattr(deploy, what, lambda *_, gives=gives, **__: gives)
    for what in ("released", "rolled"):
        monkeypatch.setattr(deploy, what, lambda target, _: nullcontext(target))
    return place


def ended() -> DeliveryError:
    with pytest.raises(DeliveryError) as failed:
        deploy.deploy(Target.named("development"), "v2", dry_run=False, confirm=lambda _: True, say=lambda _: None)
    return failed.value


def test_a_delivery_that_goes_well_is_on_record(place: Place) -> None:
    deploy.deploy(Target.named("development"), "v2", dry_run=False, confirm=lambda _: True, say=lambda _: None)
    assert len(place.brought) == 1


@pytest.mark.parametrize(
    ("step", "errors"),
    [
        ("tests", [Problem("the settings are wrong", "mend them"), None]),
        ("tests", [AWAY, None]),
        ("record", [AWAY, None]),
    ],
    ids=["a problem in the tests", "no answer in the tests", "it can't be put on record"],
)
def test_what_fails_after_the_update_is_taken_back(place: Place, step: str, errors: list[Exception | None]) -> None:
    place.fails[step] = errors
    failed = ended()
    assert failed.code == Exit.RESTORED
    assert "v1 of update 1, runs again" in failed.what
    assert len(place.brought) == 1


def test_an_update_that_fails_where_nothing_can_be_asked_any_more_is_not_said_to_have_changed_nothing(
    place: Place,
) -> None:
    place.ends = [1]
    place.fails["history"] = [None, AWAY, AWAY]
    failed = ended()
    assert failed.code == Exit.BROKEN
    assert "It could not be taken back: the backend doesn't answer" in failed.what


def test_a_problem_on_the_way_back_says_that_it_could_not_be_taken_back(place: Place) -> None:
    place.ends = [1, 0]
    place.fails["tests"] = [Problem("the settings are wrong", "mend them")]
    failed = ended()
    assert (failed.code, failed.hint) == (Exit.BROKEN, "mend them")
    assert "It could not be taken back: the settings are wrong" in failed.what


def test_whoever_has_lost_the_lock_takes_nothing_back(place: Place) -> None:
    place.fails["keep"] = [None, DeliveryError("somebody else has it", "wait", Exit.LOCKED)]
    assert ended().code == Exit.LOCKED
    assert (place.ends, place.brought) == ([0], [])


def test_a_roll_back_that_fails_after_its_update_is_not_said_to_have_changed_nothing(place: Place) -> None:
    place.fails["record"] = [AWAY]
    with pytest.raises(DeliveryError) as failed:
        deploy.roll_back(Target.named("development"), None, dry_run=False, confirm=lambda _: True, say=lambda _: None)
    assert failed.value.code == Exit.BROKEN
