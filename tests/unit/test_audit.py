"""The history of a stack, as an auditor reads it."""

import csv
import gzip
import io
import json
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from operations.audit import command
from operations.audit.command import FORMATS
from operations.audit.history import entries, files
from operations.audit.updates import Update, updates
from operations.problem import Problem
from tests.unit.histories import AUTHOR, SEALED, STACK, add, resource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


def told(folder: Path) -> list[Update]:
    return list(updates(entries(files(folder, STACK))))


def printed(folder: Path, form: str, signed: set[str] | None = None) -> str:
    out = io.StringIO()
    FORMATS[form](told(folder), signed, out)
    return out.getvalue()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
def test_an_update_has_who_when_what_and_from_which_commit(folder: Path, packed: bool) -> None:
    add(folder, 1, [resource("settings", data={"level": "info"})], packed=packed)
    add(folder, 2, [resource("settings", data={"level": "debug"}), resource("more")], packed=packed)
    first, second = told(folder)
    assert [f"{one.operation} {one.kind} {one.name}" for one in first.resources] == ["created ConfigMap settings"]
    assert (second.number, second.started, second.seconds) == (2, "2026-11-18T11:08:40+00:00", 30)
    assert (second.who, second.commit, second.release) == ("A. Person <a@example.org>", "c" * 40, "v1")
    created, updated = second.resources
    assert (created.operation, created.name) == ("created", "more")
    (field,) = updated.fields
    assert (field.path, field.before, field.after) == ("data.level", "info", "debug")
    assert not second.faults


def test_a_resource_with_another_identity_was_replaced_and_one_that_is_gone_was_deleted(folder: Path) -> None:
    add(folder, 1, [resource("a"), resource("b")])
    add(folder, 2, [{**resource("a"), "id": "another"}])
    assert [(one.operation, one.name) for one in told(folder)[1].resources] == [("deleted", "b"), ("replaced", "a")]


def test_settings_that_changed_are_named_and_secret_ones_without_their_values(folder: Path) -> None:
    add(folder, 1, [], config={"vision-week:release": "v1", "vision-week:key": {"secure": "v1:hunter22"}})
    add(folder, 2, [], config={"vision-week:release": "v2", "vision-week:key": {"secure": "v1:hunter33"}})
    key, release = told(folder)[1].settings
    assert (key.path, key.before, key.after) == ("vision-week:key", "(secret)", "(secret)")
    assert (release.before, release.after) == ("v1", "v2")


def test_no_value_of_a_secret_is_shown_in_any_format(folder: Path) -> None:
    sealed = {**SEALED, "ciphertext": "v1:hunter22"}
    add(folder, 1, [resource("a", "Secret", stringData={"x": "hunter22"}), resource("b", data=["hunter22"])])
    add(folder, 2, [resource("a", "Secret", stringData={"x": "hunter33"}), resource("b", data=[{"x": sealed}, 2])])
    text = printed(folder, "json")
    second = json.loads(text)[1]["resources"]
    assert [(one["name"], [field["after"] for field in one["fields"]]) for one in second] == [
        ("b", ["(secret)"]),
        ("a", ["(secret)"]),
    ]
    assert "hunter33" not in text
    assert "v1:hunter22" not in text


def test_a_secret_that_was_only_encrypted_anew_has_not_changed(folder: Path) -> None:
    """Every update encrypts all of them: each would have named every secret of the stack."""
    add(folder, 1, [resource("a", "Secret", stringData={**SEALED, "ciphertext": "v1:one"})])
    add(folder, 2, [resource("a", "Secret", stringData={**SEALED, "ciphertext": "v1:two"})])
    assert told(folder)[1].resources == ()


@pytest.mark.parametrize(
    ("message", "made"),
    [
        ('deploy: {"release": "v1"}', "deployment"),
        ('good: {"release": "v1"}', "found good"),
        ("build: v1", "build"),
        ("rollback to 3: v1", "roll-back"),
        ("a commit's own words", "by hand"),
    ],
)
def test_what_a_delivery_did_is_told_from_what_was_done_by_hand(folder: Path, message: str, made: str) -> None:
    add(folder, 1, [], message=message)
    assert told(folder)[0].made == made


def test_changes_that_no_commit_has_and_the_run_of_a_workflow_are_named(folder: Path) -> None:
    environment = {
        **AUTHOR,
        "git.dirty": "true",
        "ci.build.url": "https://ci.example/7",
        "pulumi.flag.policy-pack": "set",
    }
    add(folder, 1, [], environment=environment)
    (one,) = told(folder)
    assert (one.commit, one.ci, one.rules) == ("c" * 40 + "+", {"ci.build.url": "https://ci.example/7"}, True)


def test_an_update_that_is_missing_is_noticed_by_what_changed_without_it(folder: Path) -> None:
    add(folder, 1, [resource("a")])
    add(folder, 2, [resource("a"), resource("b")])
    add(folder, 3, [resource("a"), resource("b")], resourceChanges={"same": 2})
    assert not told(folder)[2].faults
    for file in folder.glob(f"{STACK}-{1_795_000_000 + 120}*"):
        file.unlink()
    (fault,) = told(folder)[1].faults
    assert "ConfigMap b created" in fault
    assert "one before it is missing" in fault


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"endTime": 1}, "before it began"),
        ({"startTime": 1_795_000_060, "endTime": 1_795_000_500}, "before the one before it had ended"),
    ],
)
def test_clocks_that_were_wrong_are_named(folder: Path, changes: dict[str, Any], word: str) -> None:
    add(folder, 1, [])
    add(folder, 2, [], **changes)
    assert any(word in fault for fault in told(folder)[1].faults)


def test_an_update_that_was_stopped_is_named(folder: Path) -> None:
    file = add(folder, 1, [])
    beside = file.with_name(file.name.replace("history", "checkpoint"))
    checkpoint = json.loads(beside.read_text())
    checkpoint["checkpoint"]["latest"]["pending_operations"] = [{}]
    beside.write_text(json.dumps(checkpoint))
    assert told(folder)[0].faults == ("it was stopped while 1 operations were under way",)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b'{"version": 3, "check', "can't be read"),
        (b"[]", "Expected `object`"),
        (b'{"version": 3, "checkpoint": ["a table"]}', "Expected `object`"),
        (
            b'{"version": 3, "checkpoint": {"latest": {"resources": [' + b"[" * 9999 + b"]" * 9999 + b"]}}}",
            "can't be read",
        ),
        (b"\x1f\x8b\x08\x00" + b"no gzip at all", "can't be read"),
        (gzip.compress(b'{"version": 3}')[:-9], "can't be read"),
        (b"\xff\xfe", "can't be read"),
        (b"", "can't be read"),
        (b'{"version": 9, "checkpoint": ["as nobody knows it yet"]}', "version 9"),
        (None, "missing"),
    ],
    ids=[
        "truncated",
        "foreign",
        "foreign inside",
        "bottomless",
        "corrupt and compressed",
        "truncated and compressed",
        "no text",
        "empty",
        "unknown version",
        "missing",
    ],
)
def test_a_state_that_cannot_be_read_is_named_and_the_rest_is_told(folder: Path, text: bytes | None, word: str) -> None:
    add(folder, 1, [resource("a", data={"x": "1"})])
    file = add(folder, 2, [])
    add(folder, 3, [resource("a", data={"x": "2"})])
    beside = file.with_name(file.name.replace("history", "checkpoint"))
    beside.unlink()
    if text is not None:
        beside.write_bytes(text)
    first, second, third = told(folder)
    assert not first.faults
    assert word in second.faults[0]
    assert second.resources == ()
    assert [(one.operation, one.name) for one in third.resources] == [("updated", "a")]


def test_a_history_file_that_is_cut_short_is_named(folder: Path) -> None:
    file = add(folder, 1, [])
    file.write_bytes(file.read_bytes()[:50])
    (one,) = told(folder)
    assert "can't be read" in one.faults[0]
    assert (one.result, one.started[:10]) == ("unknown", "2026-11-18")


@pytest.mark.parametrize(
    "foreign",
    [
        {"environment": ["a"]},
        {"config": "a"},
        {"startTime": 10**15},
        {"endTime": -1},
        {"resourceChanges": {"same": []}},
    ],
    ids=lambda foreign: next(iter(foreign)),
)
def test_a_history_file_of_something_else_is_named_and_the_rest_is_told(folder: Path, foreign: dict[str, Any]) -> None:
    add(folder, 1, [resource("a", data={"x": "1"})], **foreign)
    add(folder, 2, [resource("a", data={"x": "2"})])
    first, second = told(folder)
    assert "can't be read" in first.faults[0]
    assert (first.result, first.started[:10]) == ("unknown", "2026-11-18")
    assert [(one.operation, one.name) for one in second.resources] == [("updated", "a")]


def test_resources_without_a_name_are_counted_and_the_rest_is_told(folder: Path) -> None:
    foreign: list[Any] = [{}, [], None, {"urn": 1}, {"urn": "a table"}]
    add(folder, 1, [resource("a"), *foreign])
    (one,) = told(folder)
    assert "5 resources without a name" in one.faults[0]
    assert [each.name for each in one.resources] == ["a"]


def test_ten_thousand_updates_take_no_more_memory_than_a_few(folder: Path) -> None:
    """Each state is 100 kB of text and five times as much when it is read; what grows is the list of the files."""
    states = [[resource("a", data={f"key {index}": value * 50 for index in range(2000)})] for value in ("x", "y")]

    def peak(count: int) -> int:
        tracemalloc.start()
        out = Counting()
        FORMATS["html"](updates(entries(files(folder, STACK)[:count])), None, out)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert out.sections == count
        return most

    for number, state in enumerate(states):
        add(folder, number, state)
    kept = [folder / f"{STACK}-{1_795_000_000 + 60 * number}000000000.checkpoint.json" for number in (0, 1)]
    told = (folder / f"{STACK}-1795000000000000000.history.json").read_text()
    for number in range(2, 10_000):
        begun = 1_795_000_000 + 60 * number
        (folder / f"{STACK}-{begun}000000000.history.json").write_text(told)
        (folder / f"{STACK}-{begun}000000000.checkpoint.json").hardlink_to(kept[number // 100 % 2])
    few, all_ = peak(300), peak(10_000)
    assert all_ - few < 1000 * 9_700
    assert all_ < 3 * few


class Counting(io.StringIO):
    """Where a report goes that nobody keeps."""

    sections = 0

    def write(self, text: str) -> int:
        self.sections += text.startswith("<details ")
        return len(text)


def test_whoever_waits_at_a_terminal_sees_how_far_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        add(folder, number, [])
    screen = io.StringIO()
    monkeypatch.setattr(command, "errors", Console(file=screen, force_terminal=True, width=80))
    done = CliRunner().invoke(command.app, ["report", STACK, "--history", str(folder), "--format", "csv"])
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 4)
    assert "reading" in screen.getvalue()
    assert "100%" in screen.getvalue()


def test_a_folder_without_a_history_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no history of the stack production"):
        files(tmp_path, STACK)
    with pytest.raises(Problem, match="can't be read"):
        files(tmp_path / "nowhere", STACK)


def test_a_stack_whose_name_begins_like_another_s_has_its_own_history(folder: Path) -> None:
    file = add(folder, 1, [])
    file.rename(file.with_name(file.name.replace(STACK, f"{STACK}-2")))
    add(folder, 2, [])
    assert len(told(folder)) == 1


def test_an_update_without_evidence_is_marked(folder: Path) -> None:
    add(folder, 1, [], message="deploy: {}")
    add(folder, 2, [])
    signed = {told(folder)[0].id}
    rows = list(csv.DictReader(io.StringIO(printed(folder, "csv", signed))))
    assert [row["origin"] for row in rows] == ["deployment, signed", "by hand: OUTSIDE THE PIPELINE, no evidence"]
    assert "OUTSIDE THE PIPELINE" in printed(folder, "markdown", signed)
    assert "deployment, by its own account" in printed(folder, "csv")


def test_what_a_commit_says_is_neither_markdown_nor_a_formula(folder: Path) -> None:
    hostile: Any = {**AUTHOR, "git.author": "=1+1", "git.head": "`<script>"}
    add(folder, 1, [], environment=hostile, message="<b>`a`\n## b")
    text = printed(folder, "markdown")
    assert "`<b>'a'`" in text
    assert "## b" not in text
    (row,) = csv.DictReader(io.StringIO(printed(folder, "csv")))
    assert row["who"].startswith("'=")


class Page(HTMLParser):
    """Which elements a browser would see, and the text of each update."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.sections: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        self.tags.add(tag)
        if tag == "details":
            self.sections.append("")

    def handle_data(self, data: str) -> None:
        if self.sections:
            self.sections[-1] += data


def test_the_page_has_a_section_for_each_update_and_calls_no_address(folder: Path) -> None:
    add(folder, 1, [resource("a", data={"x": "1"})], message="deploy: {}")
    add(folder, 2, [resource("a", data={"x": "<img src=//evil>"})], message="</script><b>")
    text = printed(folder, "html", {told(folder)[0].id})
    page = Page(text)
    first, second = page.sections
    assert "deployment, signed" in first
    assert "OUTSIDE THE PIPELINE" in second
    assert "updated ConfigMap a" in " ".join(second.split())
    assert "1 → <img src=//evil>" in second
    assert not {"img", "link", "iframe"} & page.tags
    assert text.count("<script>") == 1
    assert "http" not in text.replace("http-equiv", "")
