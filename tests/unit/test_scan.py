"""What a scan comes to, apart from the programs that look (tests/localcloud/test_scan.py has those)."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from operations.delivery.target import Target
from operations.problem import Problem
from operations.scan import command
from operations.scan.allowed import FILE, NAME, Allowance, allowed
from operations.scan.findings import Finding, Kind
from operations.scan.programs import NotScanned
from operations.scan.verdict import judge
from tests.unit.recording import CHECKOUT

TODAY = datetime.date(2026, 11, 30)


def found(**other: Any) -> Finding:
    told = {"image": "app", "kind": Kind.VULNERABILITY, "id": "GHSA-1", "package": "leaky", "severity": "High"}
    return Finding(**{**told, "fixed": ("2.0",), **other})


def allowance(**other: Any) -> Allowance:
    told = {"id": "GHSA-1", "package": "leaky", "reason": "called by nobody of ours", "owner": "us", "expires": TODAY}
    return Allowance(**{**told, **other})


def test_an_allowance_holds_on_its_last_day_and_not_on_the_next() -> None:
    assert judge([found()], [allowance()], TODAY).passed
    late = judge([found()], [allowance()], TODAY + datetime.timedelta(days=1))
    assert (late.failing, late.expired, late.passed) == ([found()], [allowance()], False)


def test_an_allowance_that_has_ended_fails_where_nothing_is_found_too() -> None:
    assert not judge([], [allowance()], TODAY + datetime.timedelta(days=1)).passed


def test_a_vulnerability_is_allowed_by_any_of_its_names() -> None:
    verdict = judge([found(aliases=("CVE-1",))], [allowance(id="CVE-1")], TODAY)
    assert verdict.passed
    assert not verdict.unused


@pytest.mark.parametrize("other", [{"id": "GHSA-2"}, {"package": "another"}, {"package": "leak"}])
def test_an_allowance_covers_nothing_else(other: dict[str, str]) -> None:
    verdict = judge([found()], [allowance(**other)], TODAY)
    assert verdict.failing == [found()]
    assert verdict.unused == [allowance(**other)]


def test_a_star_stands_for_any_part_of_a_path() -> None:
    secret = found(kind=Kind.SECRET, id="private-key", package="usr/lib/x/key.pem", severity="", fixed=())
    assert judge([secret], [allowance(id="private-key", package="usr/lib/*/key.pem")], TODAY).passed
    assert not judge([secret], [allowance(id="private-key", package="usr/lib/*/other.pem")], TODAY).passed


def test_the_file_of_this_checkout_can_be_read() -> None:
    assert allowed(FILE)


def test_a_file_without_entries_allows_nothing(tmp_path: Path) -> None:
    (tmp_path / "allowed.yaml").write_text("# nothing\n")
    assert allowed(tmp_path / "allowed.yaml") == ()


def test_every_mistake_in_the_file_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "allowed.yaml"
    file.write_text(
        "- {id: CVE-1, package: x, reason: short, owner: us, expires: 2027-01-01}\n"
        "- {id: CVE-2, package: x, reason: nobody of ours calls it, owner: us, expires: never, until: 2027-01-01}\n"
    )
    with pytest.raises(Problem) as raised:
        allowed(file)
    for told in ("0.reason", "1.expires", "1.until"):
        assert told in raised.value.what


@pytest.mark.parametrize(("text", "told"), [("- [", "is no YAML"), (None, "can't be read")])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "allowed.yaml"
    if text:
        file.write_text(text)
    with pytest.raises(Problem, match=told):
        allowed(file)


def test_the_help_names_the_file_of_allowances_wherever_the_checkout_is() -> None:
    """It named a path of the machine that it was asked on."""
    told = CliRunner().invoke(command.app, ["--help"]).stdout
    assert NAME in told
    assert str(FILE.parent) not in "".join(told.split())
    assert FILE == CHECKOUT / NAME


def test_a_stack_that_is_not_up_has_no_images_and_is_not_taken_for_a_clean_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "pulumi", lambda *_: "{}")
    with pytest.raises(NotScanned, match="which images staging has: staging isn't up"):
        command._images_of("staging")
