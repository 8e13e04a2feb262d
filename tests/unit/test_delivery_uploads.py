"""Which versions of uploads come back, as a plan: which one was current when, and what it takes the place of."""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from operations.delivery import command
from operations.delivery.problem import DeliveryError
from operations.delivery.uploads import Plan, Return, Version

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def version(name: str, begun: int, ended: int | None = None, content: str = "a") -> Version:
    """One that was current from so many minutes after noon to so many."""
    end = None if ended is None else NOON + timedelta(minutes=ended)
    return Version(name, generation=begun, begun=NOON + timedelta(minutes=begun), ended=end, size=10, content=content)


def at(minutes: int, *versions: Version) -> Plan:
    return Plan.of(versions, NOON + timedelta(minutes=minutes))


def test_what_was_deleted_comes_back() -> None:
    gone = version("a.png", 0, 20)
    assert at(10, gone) == Plan([Return(gone, None)], same=0, newer=[])


def test_what_was_written_over_comes_back_in_its_place() -> None:
    before, now = version("a.png", 0, 20, "a"), version("a.png", 20, None, "b")
    assert at(10, before, now) == Plan([Return(before, now)], same=0, newer=[])


def test_of_many_versions_the_one_of_that_time_comes_back_whatever_their_order() -> None:
    first, second, third = (version("a.png", n, n + 10, str(n)) for n in (0, 10, 20))
    for order in ((first, second, third), (third, first, second)):
        assert at(15, *order).returns == [Return(second, None)]


def test_a_version_is_current_from_the_moment_of_its_making_to_that_before_the_next() -> None:
    before, now = version("a.png", 0, 20, "a"), version("a.png", 20, None, "b")
    assert at(0, before, now).returns == [Return(before, now)]
    assert at(20, before, now) == Plan([], same=1, newer=[])
    assert at(-1, before, now) == Plan([], same=0, newer=["a.png"])


def test_what_is_as_it_was_stays() -> None:
    assert at(10, version("a.png", 0)) == Plan([], same=1, newer=[])


def test_what_came_after_that_time_stays_and_is_named() -> None:
    """Nothing is deleted that is newer."""
    assert at(10, version("a.png", 0), version("b.png", 15)) == Plan([], same=1, newer=["b.png"])


def test_what_had_been_deleted_before_that_time_does_not_come_back() -> None:
    assert at(30, version("a.png", 0, 20)) == Plan([], same=0, newer=[])


def test_what_came_and_went_after_that_time_is_nothing() -> None:
    assert at(10, version("a.png", 15, 20)) == Plan([], same=0, newer=[])


def test_restoring_a_second_time_finds_nothing_to_do() -> None:
    """What came back is a copy: another version with the same content."""
    before, wrong, copy = version("a.png", 0, 20, "a"), version("a.png", 20, 40, "b"), version("a.png", 40, None, "a")
    assert at(10, before, wrong, copy) == Plan([], same=1, newer=[])


def test_restoring_can_be_taken_back_by_restoring_to_just_before_it() -> None:
    before, after, copy = version("a.png", 0, 20, "a"), version("a.png", 20, 40, "b"), version("a.png", 40, None, "a")
    assert at(39, before, after, copy).returns == [Return(after, copy)]


def test_files_that_were_never_whole_do_not_come_back() -> None:
    assert at(10, version(".a.png.part", 0, 20)) == Plan([], same=0, newer=[])


def test_the_plan_says_how_much_comes_back() -> None:
    assert at(10, version("a.png", 0, 20), version("b.png", 0, 20), version("c.png", 0)).size == 20


# --- the command line


def refused(*words: str) -> DeliveryError:
    error = CliRunner().invoke(command.app, words).exception
    assert isinstance(error, DeliveryError)
    return error


@pytest.mark.parametrize(
    ("time", "told"), [("yesterday", "--to yesterday is no time"), ("2026-03-01T12:00:00", "has no zone")]
)
def test_a_time_that_could_be_mistaken_is_refused(time: str, told: str) -> None:
    assert told in refused("production", "restore-uploads", "--to", time).what


@pytest.mark.parametrize("time", ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"])
def test_a_time_of_which_no_versions_are_kept_is_refused(time: str) -> None:
    error = refused("production", "restore-uploads", "--to", time)
    assert "is not within the last 30 days" in error.what
    assert "storage.uploads_days" in error.what


def test_a_stack_whose_uploads_are_in_no_bucket_is_told_of_the_way_that_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///nowhere")  # this shell is set up; nobody is asked
    error = refused("development", "restore-uploads", "--to", "2026-03-01T12:00:00Z")
    assert "are in a volume of its cluster, which keeps no versions" in error.what
    assert "docs/uploads.md" in error.hint
