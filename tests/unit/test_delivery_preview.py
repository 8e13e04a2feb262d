"""The preview of a pull request: what it says, what it never shows, and how it looks once it is HTML."""

import json
import threading
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from markdown_it import MarkdownIt

from operations.delivery.comment import CONSENT, LIMIT, markdown, marker, post
from operations.delivery.preview import LATER, SECRET, Preview

PLATFORM = "vision-week:platform:Platform"


def step(operation: str, chain: str, name: str, **more: Any) -> dict[str, Any]:
    return {"op": operation, "urn": f"urn:pulumi:staging::vision-week::{PLATFORM}${chain}::{name}", **more}


def changed(path: str, before: Any, after: Any, chain: str = "vision-week:app:App$kubernetes:core/v1:ConfigMap") -> Any:
    """An update of one field that lies directly in the inputs."""
    return step(
        "update",
        chain,
        "app",
        detailedDiff={path: {"kind": "update", "inputDiff": True}},
        oldState={"inputs": {path: before}},
        newState={"inputs": {path: after}},
    )


def preview(*steps: Any, same: int = 90, diagnostics: Any = ()) -> Preview:
    told = {"steps": steps, "changeSummary": {"same": same}, "diagnostics": diagnostics}
    return Preview.of(json.dumps(told))


REPLACED = step(
    "replace", "vision-week:postgres:Postgres$kubernetes:apps/v1:StatefulSet", "postgres", replaceReasons=["spec"]
)
JOB = step("replace", "vision-week:app:App$kubernetes:batch/v1:Job", "migrations")


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
    assert ("artefact" in text) is (count > 40)


# --- posting


class Host(BaseHTTPRequestHandler):
    """As much of GitHub's API as a comment needs."""

    comments: list[dict[str, Any]]
    asked: list[str]

    def do_GET(self) -> None:
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
    kind = type("Own", (Host,), {"comments": [], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", kind
        server.shutdown()


def comment(number: int, body: str, kind: str = "Bot") -> Mapping[str, Any]:
    return {"id": number, "body": body, "user": {"type": kind}}


def test_the_stacks_own_comment_is_replaced_and_no_other(host: tuple[str, type[Host]]) -> None:
    api, kind = host
    kind.comments = [dict(comment(number, f"number {number}")) for number in range(1, 101)] + [
        dict(comment(201, f"{marker('staging')} mine, says somebody", kind="User")),
        dict(comment(202, marker("production"))),
        dict(comment(203, f"{marker('staging')}\nold")),
    ]
    post("new", "staging", repository="a/b", pull_request=7, token="t", api=api)
    assert kind.asked == ["changed /repos/a/b/issues/comments/203 new"]


def test_the_first_comment_is_added(host: tuple[str, type[Host]]) -> None:
    api, kind = host
    found = post("new", "staging", repository="a/b", pull_request=7, token="t", api=api)
    assert kind.asked == ["added /repos/a/b/issues/7/comments new"]
    assert found == "https://host.example/repos/a/b/issues/7/comments"
