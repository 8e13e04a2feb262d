"""`scripts/deploy.sh`: its words, what it makes of the history, and which lines of the logs it shows."""

import json
import re
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from operations.delivery import command, deploy, log_store, release
from operations.delivery.history import BUILT, Good, last_good, last_of_all, message_of, parsed
from operations.delivery.log_store import Kept
from operations.delivery.logs import Line, Source, Wanted, read
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.release import released
from operations.delivery.target import FILE, Target
from operations.problem import Problem
from operations.stacks import settings_of
from tests.unit.recording import CHECKOUT

PAGE = (CHECKOUT / "docs" / "delivery.md").read_text()
POD = Source("vision-week-app", "app-1", "php", "app", "2026-01-01T00:00:00Z")
GOOD = Good(release="v1", program="0" * 40, images={"app": "registry.example/app@sha256:1"})


def asked(*words: str) -> str:
    return CliRunner().invoke(command.app, words, terminal_width=200).output


def actions() -> list[str]:
    return sorted(typer.main.get_group(command.app).commands)


# --- the command line


@pytest.mark.parametrize("action", actions())
def test_every_action_has_help_with_examples_that_are_its_own(action: str) -> None:
    told = asked("staging", action, "--help")
    examples = re.findall(r"\./scripts/deploy\.sh (\w+) ([\w-]+)", told)
    assert examples
    assert {name for _, name in examples} == {action}


@pytest.mark.parametrize("action", actions())
def test_every_action_is_on_the_page(action: str) -> None:
    assert f"`{action}" in PAGE


def test_every_exit_code_is_on_the_page_and_in_the_help() -> None:
    told = asked("--help")
    for code in Exit:
        assert re.search(rf"\b{code.value}\b", told), code
        assert f"| {code.value} |" in PAGE, code


def test_the_script_hands_its_words_on_from_wherever_it_is_called(tmp_path: Path) -> None:
    done = subprocess.run(
        [CHECKOUT / "scripts" / "deploy.sh", "nowhere", "status"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == Exit.REFUSED
    assert "There is no environment nowhere" in done.stderr
    assert "development, production, staging" in done.stderr


def test_a_shell_completes_environments_and_actions() -> None:
    """By what `--show-completion` has bash do, with the script as it is typed."""
    shown = [sys.executable, "-m", "operations.delivery", "--show-completion", "bash"]
    completion = subprocess.run(shown, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    script = "./scripts/deploy.sh"
    asked = [completion]
    for words in (f"{script} prod", f"{script} staging re"):
        asked += [f"COMP_WORDS=({words}); COMP_CWORD={words.count(' ')}; _deploysh_completion {script}"]
        asked += ['echo "${COMPREPLY[@]}"']
    done = subprocess.run(["bash", "-c", "\n".join(asked)], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert [sorted(line.split()) for line in done.stdout.splitlines()] == [
        ["production"],
        ["render", "restore", "restore-uploads"],
    ]


def test_another_file_is_named_to_pulumi_and_the_checkouts_own_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever previewed the local cloud's stack found its file rewritten, with a salt in it and no blank lines: the
    engine writes to the one that it is named; of the one that it isn't the local cloud gives it a copy."""
    monkeypatch.delenv(FILE, raising=False)
    target = Target.named("development")
    assert FILE not in target.environment()
    other = tmp_path / "Pulumi.development.yaml"
    other.write_text(target.file.read_text())
    assert target.with_file(other).environment()[FILE] == str(other)
    # The program of then has a file of its own, which is not what is meant.
    assert replace(target, checkout=tmp_path).environment()[FILE] == str(target.file)


def test_a_misspelt_environment_is_guessed() -> None:
    with pytest.raises(DeliveryError) as refused:
        Target.named("producton")
    assert refused.value.hint == "did you mean production?"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--level", "loud"), "There is no level loud"),
        (("--since", "yesterday"), "--since yesterday is no time"),
        (("--grep", "("), "is no regular expression"),
    ],
)
def test_words_that_mean_nothing_are_refused_by_name(words: tuple[str, ...], told: str) -> None:
    refused = CliRunner().invoke(command.app, ("development", "logs", *words)).exception
    assert isinstance(refused, DeliveryError)
    assert told in refused.what


# --- the release


@pytest.mark.parametrize("key", ["vision-week:release", "vision-week:config:release", "release"])
def test_another_release_is_one_value_of_the_file_and_nothing_else(tmp_path: Path, key: str) -> None:
    text = (CHECKOUT / "Pulumi.development.yaml").read_text().replace("vision-week:release: development", f"{key}: v1")
    file = tmp_path / "Pulumi.development.yaml"
    file.write_text(text)
    target = replace(Target.named("development"), file=file)
    with released(target, "v2") as other:
        assert other.settings.release == "v2"
        assert other.file.read_text() == text.replace(f"{key}: v1", f'{key}: "v2"')
    assert file.read_text() == text


def test_a_stacks_file_is_read_without_the_key_of_what_is_encrypted_in_it(tmp_path: Path) -> None:
    text = (CHECKOUT / "Pulumi.development.yaml").read_text()
    sealed = text + "\n  vision-week:webhooks: { on-call: { secure: v1:abc }, people: { secure: v1:def } }\n"
    for name, written in (("Pulumi.development.yaml", text), ("Pulumi.sealed.yaml", sealed)):
        (tmp_path / name).write_text(written)
    assert settings_of(tmp_path / "Pulumi.sealed.yaml") == settings_of(tmp_path / "Pulumi.development.yaml")


def test_a_tag_that_is_none_is_refused_as_a_setting_is() -> None:
    with pytest.raises(Problem, match="must be a tag of letters"), released(Target.named("development"), 'v"2: '):
        pass


def test_a_comment_is_not_written_without_the_workflows_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    (tmp_path / "preview.md").touch()
    words = ("staging", "comment", str(tmp_path / "preview.md"), "--pull-request", "1")
    refused = CliRunner().invoke(command.app, words).exception
    assert isinstance(refused, DeliveryError)
    assert refused.what == "There is no GITHUB_REPOSITORY."


# --- the history


def entry(message: str, result: str = "succeeded", release: str = "v1") -> dict[str, Any]:
    """As `pulumi stack history --json` has it; the newest comes first."""
    return {
        "version": 0,
        "kind": "update",
        "startTime": "2026-01-01T00:00:00.000Z",
        "message": message,
        "config": {
            "vision-week:release": {"value": release, "secret": False},
            "vision-week:app": {"value": '{"replicas":1}', "objectValue": {"replicas": 1}, "secret": False},
            "vision-week:word": {"secret": True},
        },
        "result": result,
        "resourceChanges": {"same": 90, "update": 2},
    }


def test_updates_are_numbered_from_the_oldest_and_keep_their_settings_but_secrets() -> None:
    newest, oldest = parsed([entry("two", release="v2"), entry("one")])
    assert (newest.number, newest.release, oldest.number) == (2, "v2", 1)
    assert newest.settings == {"vision-week:release": "v2", "vision-week:app": {"replicas": 1}}
    assert newest.changed == "2 updated"


def test_a_stack_that_promotes_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "ready", lambda *_: None)
    with pytest.raises(DeliveryError, match="promotes what was built elsewhere"):
        deploy.build(Target.named("production"), "v1", print)


def test_what_was_never_deployed_has_nowhere_to_push_images_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "ready", lambda *_: None)
    monkeypatch.setattr(deploy, "program_of", lambda *_: "0" * 40)
    monkeypatch.setattr(deploy, "locked", lambda _: nullcontext())
    monkeypatch.setattr(deploy, "history", lambda _: parsed([entry("by hand")]))
    with pytest.raises(DeliveryError, match="no good release yet"):
        deploy.build(Target.named("staging"), "v1", print)


def test_no_load_is_put_on_what_has_users() -> None:
    refused = CliRunner().invoke(command.app, ["production", "load"]).exception
    assert isinstance(refused, DeliveryError)
    assert "has users in it" in refused.what


def test_a_release_that_was_only_built_is_not_what_runs() -> None:
    updates = parsed([entry(f"{BUILT}v2", release="v2"), entry(message_of(GOOD), release="v1")])
    running, good = last_of_all(updates), last_good(updates)
    assert running
    assert running.release == "v1"
    assert good == running


def status(monkeypatch: pytest.MonkeyPatch, *entries: dict[str, Any]) -> tuple[str, BaseException | None]:
    monkeypatch.setattr(command, "history", lambda _: parsed(entries))
    monkeypatch.setattr(Target, "workloads", lambda _: iter(()))
    done = CliRunner().invoke(command.app, ["staging", "status"], terminal_width=200)
    return done.output, done.exception


def test_the_status_names_what_a_roll_back_would_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = replace(GOOD, release="v2")
    history = [entry(message_of(newer), release="v2"), entry(message_of(GOOD), release="v1")]
    said, error = status(monkeypatch, *history)
    assert error is None
    assert re.search(r"last good +2: v2 *\n", said)
    assert re.search(r"a roll-back brings +1: v1 *\n", said)


def test_what_was_removed_is_said_to_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    _, error = status(monkeypatch, {**entry(""), "kind": "destroy"}, entry(message_of(GOOD)))
    assert isinstance(error, DeliveryError)
    assert "isn't up: it was removed by update 2" in error.what


@pytest.mark.parametrize("action", ["test", "load"])
def test_what_is_not_up_is_not_tried(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "history", lambda _: [])
    monkeypatch.setattr(Target, "pulumi", lambda *_: "{}")
    error = CliRunner().invoke(command.app, ["staging", action]).exception
    assert isinstance(error, DeliveryError)
    assert error.what == "staging isn't up."


def test_what_was_found_good_is_read_back_as_it_was_written() -> None:
    (update,) = parsed([entry(message_of(GOOD))])
    assert update.good == GOOD


@pytest.mark.parametrize(
    "other",
    [entry(message_of(GOOD), result="failed"), entry("good: times"), entry('good: {"release": "v1"}'), entry("v1")],
)
def test_nothing_else_is_taken_for_good(other: dict[str, Any]) -> None:
    assert parsed([other])[0].good is None


def test_the_last_good_update_is_the_newest_or_the_newest_before_a_number() -> None:
    updates = parsed([entry("failed", "failed"), entry(message_of(GOOD)), entry("up"), entry(message_of(GOOD))])
    assert [update.number for update in (last_good(updates), last_good(updates, before=3)) if update] == [3, 1]
    assert last_good(updates, before=1) is None


# --- the logs


def line(**fields: Any) -> Line:
    return Line.of(f"2026-01-01T10:00:00.123456789Z {json.dumps(fields)}", POD)


def test_a_line_of_json_is_taken_apart() -> None:
    found = line(time="other", level="error", service="app", message="no", status=500)
    assert (found.time, found.level, found.service, found.message) == ("2026-01-01T10:00:00.123Z", "error", "app", "no")
    assert found.fields == {"status": 500}
    assert json.loads(found.as_json())["pod"] == "app-1"


def test_a_line_that_is_no_json_is_its_own_message() -> None:
    found = Line.of("2026-01-01T10:00:00Z Segmentation fault [core]", POD)
    assert (found.level, found.service, found.message) == ("info", "app", "Segmentation fault [core]")
    assert "core" in found.as_markup()


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"error_severity": "FATAL"}, "error"),
        ({"error_severity": "LOG"}, "info"),
        ({"levelname": "WARNING"}, "warning"),
        ({"level": "warn"}, "warning"),
        ({"level": "odd"}, "info"),
        ({"method": "GET"}, "info"),
    ],
)
def test_every_services_words_for_a_level_are_understood(fields: dict[str, str], level: str) -> None:
    assert line(**fields).level == level


def test_a_stack_that_keeps_logs_is_asked_for_them_and_not_its_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pods that are gone have said is there; a line is the same as if its pod had been asked."""
    text = json.dumps({"level": "error", "message": "broken", "request_id": "4bf92f"})
    where = {"namespace_name": "vision-week-app", "pod_name": "app-1", "container_name": "php"}
    labels = {"service_name": "app", **{f"k8s_{name}": value for name, value in where.items()}}
    asked: list[str] = []

    class Store:
        def between(self, question: str, start: int, end: int) -> list[Kept]:
            asked.append(question)
            assert end - start == 2 * 3600 * 10**9
            return [Kept(1767261600123456789, frozenset(labels.items()), text)]

    monkeypatch.setattr(log_store, "is_ready", lambda _: True)
    monkeypatch.setattr(log_store, "opened", lambda _: nullcontext(Store()))
    (found,) = read(Target.named("production"), Wanted(level="warning", since="2h"))
    pod = replace(POD, since="")
    assert found == Line("2026-01-01T10:00:00.123Z", "error", "app", pod, "broken", {"request_id": "4bf92f"})
    areas = "|".join(f"vision-week-{area}" for area in ("app", "data", "edge", "monitoring"))
    assert asked == [f'{{k8s_namespace_name=~"{areas}"}} | severity_number >= 13']


def test_a_stack_that_keeps_none_is_not_asked_whether_it_does() -> None:
    assert not log_store.is_ready(Target.named("development"))


def test_an_access_logs_line_is_told_by_what_was_asked_for() -> None:
    assert line(method="GET", path="/health").message == "GET /health"


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(), True),
        (Wanted(service="app"), True),
        (Wanted(service="php"), True),
        (Wanted(service="nginx"), False),
        (Wanted(level="warning"), True),
        (Wanted(level="error"), False),
        (Wanted(grep=re.compile("4bf9.*2f")), True),
        (Wanted(grep=re.compile("nothing")), False),
    ],
)
def test_lines_are_chosen_by_service_level_and_expression(wanted: Wanted, taken: bool) -> None:
    assert wanted.takes(line(level="warning", message="slow", request_id="4bf92f")) is taken
