"""The preview of a pull request: what it says, what it never shows, and how it looks once it is HTML."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from operations.delivery import command, release
from operations.delivery.comment import CONSENT, LIMIT, PullRequest, asks_for_consent, markdown, marker, whole
from operations.delivery.preview import LATER, SECRET, Preview, broken_rules
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target
from tests.unit.answering import answering
from tests.unit.previews import JOB, REPLACED, changed, preview, step

# --- what it finds


def test_each_resource_is_told_with_its_component_kind_and_name() -> None:
    (change,) = preview(changed("data", "a", "b")).changes
    assert (change.operation, change.component, change.kind, change.name) == ("update", "app", "ConfigMap", "app")


def test_what_is_stateful_and_goes_comes_first_then_what_goes_then_the_rest() -> None:
    found = preview(changed("data", "a", "b"), JOB, REPLACED).changes
    assert [change.name for change in found] == ["postgres", "migrations", "app"]
    assert [change.needs_consent for change in found] == [True, False, False]


def test_a_stateful_resource_that_is_made_or_changed_needs_no_consent() -> None:
    made = step("create", "vision-week:storage:Storage$kubernetes:core/v1:PersistentVolumeClaim", "uploads")
    assert not preview(made).changes[0].needs_consent


def test_values_are_found_at_paths_with_indices_and_quoted_keys() -> None:
    path = 'spec.containers[1].annotations["vision-week/configuration"]'
    values = [
        {"spec": {"containers": [{}, {"annotations": {"vision-week/configuration": text}}]}} for text in ("a", "b")
    ]
    found = step(
        "update",
        "vision-week:app:App$kubernetes:apps/v1:Deployment",
        "app",
        detailedDiff={path: {}},
        oldState={"inputs": values[0]},
        newState={"inputs": values[1]},
    )
    (difference,) = preview(found).changes[0].differences
    assert (difference.path, difference.before, difference.after) == (path, "a", "b")


def test_what_is_known_only_afterwards_is_said_to_be_so() -> None:
    found = changed("image", "app@sha256:1", "04da6b54-80e4-46f7-96ec-b56ff0331ba9")
    assert preview(found).changes[0].differences[0].after == LATER


@pytest.mark.parametrize(
    ("value", "chain"),
    [
        ({"password": "hunter2"}, "vision-week:app:App$kubernetes:core/v1:Secret"),
        (
            {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": "hunter2"},
            "vision-week:app:App$kubernetes:core/v1:ConfigMap",
        ),
        (f"hunter2 {SECRET}", "vision-week:app:App$kubernetes:core/v1:ConfigMap"),
    ],
)
def test_a_secret_is_never_shown(value: Any, chain: str) -> None:
    text = markdown("staging", preview(changed("data", value, value, chain)))
    assert "hunter2" not in text
    assert SECRET in text


# --- the comment


class Page(HTMLParser):
    """What a browser would make of it: open elements that were never closed, text by element, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.feed(MarkdownIt("commonmark", {"html": True}).render(text))

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.text.setdefault(tag, []).append(data)

    def told(self, tag: str) -> str:
        return "".join(self.text.get(tag, []))


def test_the_page_has_what_goes_in_sight_and_the_rest_folded_away() -> None:
    page = Page(markdown("staging", preview(changed("data", "old", "new"), JOB, REPLACED)))
    assert page.open == []
    assert "Preview of staging: 2 to replace, 1 to update" in page.told("h3")
    assert "postgres" in page.told("strong")
    assert "migrations" not in page.told("strong")
    folded = page.told("details")
    assert "app: 1 to update" in folded
    assert "- data: old" in folded
    assert "+ data: new" in folded
    assert "StatefulSet" not in folded
    assert CONSENT in page.told("blockquote")


def test_no_label_is_asked_for_where_nothing_stateful_goes() -> None:
    assert CONSENT not in markdown("staging", preview(changed("data", "old", "new"), JOB))


def test_a_preview_without_changes_says_so() -> None:
    assert "Preview of `staging`: no changes" in markdown("staging", preview())


def event(kind: str, **more: Any) -> str:
    """A line of the engine's log of events."""
    return json.dumps({kind: {"policyName": "a-rule", "resourceUrn": "urn:pulumi:staging::x::y::web", **more}})


def test_what_rules_added_is_told_in_the_comment() -> None:
    """What is made new has no differences, and would not have shown it."""
    engine = subprocess.CompletedProcess([], 0, json.dumps({"steps": [JOB]}), "")
    found = Preview.answered(engine, event("policyRemediationEvent", before={}, after={"password": "hunter2"}))
    assert (found.mended, found.errors) == (["a-rule: web"], [])
    text = markdown("staging", found)
    assert "Added by rules of `policies/`" in text
    assert "- `a-rule: web`" in text
    assert "hunter2" not in text
    assert "Added by rules" not in markdown("staging", preview(JOB))


def test_a_terminal_is_told_of_it_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    command.show(replace(preview(JOB), mended=["a-rule: web"]))
    assert "added by a rule, because nothing was said: a-rule: web" in capsys.readouterr().out


def test_what_a_rule_only_warns_of_is_no_error() -> None:
    """A rollback's rules warn."""
    events = {
        level: event("policyEvent", enforcementLevel=level, message="is odd\n") for level in ("advisory", "mandatory")
    }
    assert broken_rules(events["mandatory"]) == ["a-rule: web is odd"]
    assert broken_rules(events["advisory"]) == []


def test_what_the_rules_found_is_told() -> None:
    assert "No rule of `policies/` is broken." in markdown("staging", preview())
    failed = preview(diagnostics=[{"severity": "error", "message": "a-rule: app is not as it should be"}])
    assert "No rule" not in markdown("staging", failed)


def test_a_preview_that_failed_says_why() -> None:
    page = Page(markdown("staging", preview(diagnostics=[{"severity": "error", "message": "no such setting"}])))
    assert "The preview failed." in page.told("strong")
    assert "no such setting" in page.told("pre")


@pytest.mark.parametrize("text", ["``` </details> <script>alert(1)</script>", "````\n# big\n````", "</summary><b>", ""])
def test_a_value_cannot_leave_its_place(text: str) -> None:
    page = Page(markdown("staging", preview(changed("data", "old", text))))
    assert page.open == []
    assert not {"script", "b", "h1"} & set(page.tags)


@pytest.mark.parametrize("count", [40, 400, 3000])
def test_it_stays_below_the_limit_and_is_whole(count: int) -> None:
    many = [changed("data", "x" * 300, "y" * 300) for _ in range(count)]
    text = markdown("staging", preview(*many, REPLACED))
    assert len(text) <= LIMIT
    page = Page(text)
    assert page.open == []
    assert "postgres" in page.told("strong")
    assert ("the workflow's artefact `preview-staging`" in text) is (count > 40)


def test_the_artefact_leaves_nothing_out() -> None:
    many = [changed("data", f"before {number}", f"after {number}") for number in range(3000)]
    text = whole("staging", preview(*many))
    assert [number for number in range(3000) if f"+ data: after {number}\n" not in text] == []


def test_the_comment_and_all_of_it_are_written_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = preview(*(changed("data", "x" * 300, "y" * 300) for _ in range(400)))
    monkeypatch.setattr(command, "target_of", lambda _: Target.named("staging"))
    monkeypatch.setattr(Preview, "of_stack", lambda *_: found)
    monkeypatch.setattr(release, "history", lambda _: [])
    file = tmp_path / "staging.md"
    assert CliRunner().invoke(command.app, ("staging", "preview", "--markdown", str(file))).exit_code == 0
    assert file.read_text() == markdown("staging", found)
    assert (tmp_path / "staging.whole.md").read_text() == whole("staging", found)


# --- posting


class Host(BaseHTTPRequestHandler):
    """As much of GitHub's API as a comment needs."""

    comments: list[dict[str, Any]]
    asked: list[str]
    labels: list[str]

    def do_GET(self) -> None:
        if "/labels" in self.path:
            self._answer([{"name": name} for name in self.labels])
            return
        page = int(self.path.rpartition("page=")[2])
        self._answer(self.comments[(page - 1) * 100 : page * 100])

    def do_POST(self) -> None:
        self._write("added")

    def do_PATCH(self) -> None:
        self._write("changed")

    def _write(self, what: str) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        self.asked.append(f"{what} {self.path} {body}")
        self._answer({"html_url": f"https://host.example{self.path}"})

    def _answer(self, value: Any) -> None:
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[tuple[str, type[Host]]]:
    kind = type("Own", (Host,), {"comments": [], "asked": [], "labels": []})
    with answering(kind) as address:
        yield address, kind


def comment(number: int, body: str, kind: str = "Bot") -> Mapping[str, Any]:
    return {"id": number, "body": body, "user": {"type": kind}}


def test_the_stacks_own_comment_is_replaced_and_no_other(host: tuple[str, type[Host]]) -> None:
    api, kind = host
    kind.comments = [dict(comment(number, f"number {number}")) for number in range(1, 101)] + [
        dict(comment(201, f"{marker('staging')} mine, says somebody", kind="User")),
        dict(comment(202, marker("production"))),
        dict(comment(203, f"{marker('staging')}\nold")),
    ]
    PullRequest("a/b", 7, "t", api).post("new", "staging")
    assert kind.asked == ["changed /repos/a/b/issues/comments/203 new"]


def test_the_first_comment_is_added(host: tuple[str, type[Host]]) -> None:
    api, kind = host
    found = PullRequest("a/b", 7, "t", api).post("new", "staging")
    assert kind.asked == ["added /repos/a/b/issues/7/comments new"]
    assert found == "https://host.example/repos/a/b/issues/7/comments"


@pytest.mark.parametrize(
    ("steps", "labels", "merges"),
    [([JOB], [], True), ([REPLACED], ["a-label"], False), ([REPLACED], ["a-label", CONSENT], True)],
    ids=["nothing stateful goes", "nobody has agreed", "somebody has agreed"],
)
def test_what_is_stateful_goes_only_with_the_label(
    *,
    host: tuple[str, type[Host]],
    steps: list[Any],
    labels: list[str],
    merges: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The comment is there in any case; the job that has written it fails, and so holds the merge up."""
    api, kind = host
    kind.labels = labels
    for name, value in {"REPOSITORY": "a/b", "TOKEN": "t", "API_URL": api}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    file = tmp_path / "staging.md"
    file.write_text(markdown("staging", preview(*steps)))
    done = CliRunner().invoke(command.app, ("staging", "comment", str(file), "--pull-request", "7"))
    assert len(kind.asked) == 1
    assert (done.exception is None) is merges, done.exception
    assert merges or isinstance(done.exception, DeliveryError)


def test_a_value_cannot_ask_for_the_label() -> None:
    asking = f"<!-- needs {CONSENT} -->"
    assert not asks_for_consent(markdown("staging", preview(changed("data", "old", f"\n{asking}\n{asking}"))))
    assert asks_for_consent(markdown("staging", preview(REPLACED)))
