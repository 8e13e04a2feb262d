"""What a roll-back brings back, what it leaves as it is, and when it refuses."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.delivery.history import BUILT, Good, Update
from operations.delivery.problem import DeliveryError
from operations.delivery.program import checked_out, migrations, program_of
from operations.delivery.rollback import Plan, plan, rolled
from operations.delivery.target import Target
from tests.cluster.releases import commit, git
from tests.unit.recording import CHECKOUT


def digest(name: str, number: int) -> str:
    return f"registry.example/{name}@sha256:{number:064x}"


@dataclass(frozen=True)
class Stack(Target):
    """A stack of the checkout's development settings, whose engines run on given images."""

    engines: Mapping[str, str] = None  # type: ignore[assignment]

    def listed(self, area: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        assert (area, kind) == ("data", "statefulsets")
        image = self.engines.get(selector.partition("=")[2])
        return [{"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}] if image else []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of four releases: the second and the fourth migrate the database."""
    folder = tmp_path / "checkout"
    (folder / "app/migrations").mkdir(parents=True)
    (folder / ".venv").mkdir()
    (folder / "requirements.txt").touch()
    for number in (1, 2, 3, 4):
        (folder / "release").write_text(str(number))
        if number in {2, 4}:
            (folder / f"app/migrations/{number}.sql").touch()
        commit(folder, f"v{number}")
    return folder


@pytest.fixture
def target(tmp_path: Path, checkout: Path) -> Stack:
    file = tmp_path / "Pulumi.development.yaml"
    file.write_text((CHECKOUT / "Pulumi.development.yaml").read_text())
    base = Target.named("development")
    engines = {"postgres": digest("postgres", 9), "redis": "docker.io/library/redis:7.4-bookworm"}
    return Stack("development", file, base.settings, checkout, engines)


def config(**groups: Any) -> dict[str, Any]:
    """The development stack's settings, as the history has them, with some changed."""
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "Pulumi.development.yaml").read_text())["config"]
    for group, values in groups.items():
        key = f"vision-week:{group}"
        found[key] = {**found[key], **values} if isinstance(values, dict) else values
    return found


def updates(checkout: Path, *releases: str, settings: Sequence[dict[str, Any]] = ()) -> list[Update]:
    """Two entries for each release, the update and its proof, the newest first; `v3!` was never proved."""
    made: list[Update] = []
    for index, written in enumerate(releases):
        release = written.rstrip("!")
        program = git(checkout, "rev-parse", release)
        number = int(release[1:])
        common = {"kind": "update", "started": "", "result": "succeeded", "changes": {}, "program": program}
        own = settings[index] if settings else config(release=release)
        images = {
            "app": digest("app", number),
            "postgres": digest("postgres", number),
            "redis": "docker.io/library/redis:7.4-bookworm",
        }
        good = Good(release=release, program=program, images=images)
        made.append(Update(number=len(made) + 1, message="", settings=own, **common))  # type: ignore[arg-type]
        if not written.endswith("!"):
            made.append(Update(number=len(made) + 1, message="", settings=own, good=good, **common))  # type: ignore[arg-type]
    return made[::-1]


def planned(target: Stack, history: Sequence[Update], number: int | None = None) -> Plan:
    return plan(target, history, number)


def setting(chosen: Plan, group: str) -> Any:
    return chosen.settings["config"][f"vision-week:{group}"]


def test_without_a_number_it_is_the_release_before_the_one_that_runs(target: Stack, checkout: Path) -> None:
    assert planned(target, updates(checkout, "v1", "v2")).good.release == "v1"


def test_after_a_release_that_was_never_proved_it_is_the_last_that_was(target: Stack, checkout: Path) -> None:
    assert planned(target, updates(checkout, "v1", "v2", "v3!")).good.release == "v2"


def test_a_release_that_was_only_built_since_then_is_not_what_runs(target: Stack, checkout: Path) -> None:
    history = updates(checkout, "v1", "v2")
    settings = config(release="v3", postgres={"size": "9Gi"})
    built = replace(history[0], number=5, message=f"{BUILT}v3", good=None, settings=settings)
    chosen = planned(target, [built, *history])
    assert chosen.good.release == "v1"
    assert setting(chosen, "postgres").get("size") == config()["vision-week:postgres"].get("size")


def test_settings_that_the_checkout_doesnt_know_any_more_come_back_with_the_program_that_does(
    target: Stack, checkout: Path
) -> None:
    former = {**config(release="v1"), "vision-week:former": {"name": "value"}}
    chosen = planned(target, updates(checkout, "v1", "v2", settings=[former, config(release="v2")]))
    with rolled(target, chosen) as wanted:
        assert wanted.settings.release == "v1"
        assert yaml.safe_load(wanted.file.read_text())["config"]["vision-week:former"] == {"name": "value"}
        assert (wanted.checkout / "release").read_text() == "1"


def test_a_number_chooses_the_update(target: Stack, checkout: Path) -> None:
    assert planned(target, updates(checkout, "v1", "v2", "v3"), 4).good.release == "v2"


def test_images_and_settings_of_then_come_back(target: Stack, checkout: Path) -> None:
    settings = [config(release="v1", app={"replicas": 2}), config(release="v2", app={"replicas": 1})]
    chosen = planned(target, updates(checkout, "v1", "v2", settings=settings))
    assert setting(chosen, "release") == "v1"
    assert setting(chosen, "app")["replicas"] == 2
    assert setting(chosen, "images")["fixed"]["app"] == digest("app", 1)


def test_an_image_without_a_digest_is_left_to_the_program_of_then(target: Stack, checkout: Path) -> None:
    assert "redis" not in setting(planned(target, updates(checkout, "v1", "v2")), "images")["fixed"]


def test_versions_of_engines_stay_and_are_named(target: Stack, checkout: Path) -> None:
    chosen = planned(target, updates(checkout, "v1", "v2"))
    assert setting(chosen, "images")["fixed"]["postgres"] == digest("postgres", 9)
    assert f"the image of postgres stays {digest('postgres', 9)}" in chosen.left


def test_an_engine_that_would_be_taken_back_by_the_program_is_refused(target: Stack, checkout: Path) -> None:
    newer = replace(target, engines={**target.engines, "redis": "docker.io/library/redis:8.0-bookworm"})
    with pytest.raises(DeliveryError, match=r"The image of redis was .*7\.4.* and is .*8\.0"):
        planned(newer, updates(checkout, "v1", "v2"))


def test_sizes_of_volumes_stay_and_are_named(target: Stack, checkout: Path) -> None:
    settings = [
        config(release="v1", postgres={"size": "1Gi"}, app={"uploads": "1Gi"}),
        config(release="v2", postgres={"size": "2Gi"}),
    ]
    del settings[1]["vision-week:app"]["uploads"]
    chosen = planned(target, updates(checkout, "v1", "v2", settings=settings))
    assert setting(chosen, "postgres")["size"] == "2Gi"
    assert "uploads" not in setting(chosen, "app")
    assert "postgres.size stays 2Gi, was 1Gi" in chosen.left
    assert "app.uploads stays at its default, was 1Gi" in chosen.left


def test_a_secret_setting_has_todays_value_and_is_named(target: Stack, checkout: Path) -> None:
    text = target.file.read_text().replace("release: development", "release: { secure: v1:abc }")
    target.file.write_text(text)
    chosen = planned(target, updates(checkout, "v1", "v2"))
    assert setting(chosen, "release") == {"secure": "v1:abc"}
    assert "vision-week:release, which is secret, has today's value" in chosen.left


def test_what_is_secret_inside_a_setting_has_todays_value(target: Stack, checkout: Path) -> None:
    """Web hooks of alerts, each by its name: the history gives none of them, and nobody could be told without."""
    webhooks = "vision-week:webhooks: { on-call: { secure: v1:abc } }"
    target.file.write_text(target.file.read_text().replace("config:", f"config:\n  {webhooks}", 1))
    chosen = planned(target, updates(checkout, "v1", "v2"))
    assert setting(chosen, "webhooks") == {"on-call": {"secure": "v1:abc"}}
    assert "vision-week:webhooks, which is secret, has today's value" in chosen.left


def test_one_step_of_the_schema_can_be_gone_back(target: Stack, checkout: Path) -> None:
    assert planned(target, updates(checkout, "v2", "v3", "v4"), 2).good.release == "v2"


def test_two_steps_of_the_schema_are_refused_and_restoring_is_offered(target: Stack, checkout: Path) -> None:
    """A release works on its own schema and on the next one's, and no further."""
    with pytest.raises(DeliveryError, match=r"v2 \(2\.sql\); v4 \(4\.sql\)") as refused:
        planned(target, updates(checkout, "v1", "v2", "v3", "v4"), 2)
    assert "restore" in refused.value.hint


@pytest.mark.parametrize(
    ("releases", "number", "told"),
    [
        (("v1",), None, "No other release was found good"),
        (("v1", "v2!"), 3, "Update 3 was not found good"),
        (("v1",), 9, "There is no update 9"),
    ],
)
def test_what_was_never_good_is_refused(
    target: Stack, checkout: Path, releases: tuple[str, ...], number: int | None, told: str
) -> None:
    with pytest.raises(DeliveryError, match=told):
        planned(target, updates(checkout, *releases), number)


# --- the program


def relied_on(target: Stack) -> Stack:
    return replace(target, settings=target.settings.model_copy(update={"purpose": "rehearsal"}))


def test_the_program_of_then_is_checked_out_beside_and_leaves_nothing(target: Stack, checkout: Path) -> None:
    with checked_out(target, git(checkout, "rev-parse", "v1")) as folder:
        assert (folder / "release").read_text() == "1"
        assert (folder / ".venv").resolve() == (checkout / ".venv").resolve()
    assert not folder.exists()
    assert len(git(checkout, "worktree", "list").splitlines()) == 1
    assert (checkout / "release").read_text() == "4"


def test_a_commit_that_this_clone_lacks_is_said_to_be_missing(target: Stack) -> None:
    with pytest.raises(DeliveryError, match="doesn't have the commit 000000000000"), checked_out(target, "0" * 40):
        pass


def test_what_lies_in_the_checkout_of_a_workbench_is_kept_as_a_commit(target: Stack, checkout: Path) -> None:
    (checkout / "release").write_text("mine")
    (checkout / "app/migrations/5.sql").touch()
    program = program_of(target, "mine")
    assert git(checkout, "show", f"{program}:release") == "mine"
    assert "app/migrations/5.sql" in migrations(target, program)
    assert git(checkout, "rev-parse", "HEAD") != program
    assert git(checkout, "status", "--porcelain").splitlines()  # as it was
    assert program in git(checkout, "for-each-ref", "refs/delivered/development")


def test_a_clean_checkout_is_its_commit(target: Stack, checkout: Path) -> None:
    assert program_of(relied_on(target), "v4") == git(checkout, "rev-parse", "v4")
    assert program_of(target, "any-name") == git(checkout, "rev-parse", "v4")


@pytest.mark.parametrize(
    ("tag", "told"), [("v9", "There is no tag v9"), ("v1", "v1 is the commit .*, and the checkout is at")]
)
def test_a_tag_that_is_not_what_lies_there_is_refused(target: Stack, tag: str, told: str) -> None:
    with pytest.raises(DeliveryError, match=told):
        program_of(relied_on(target), tag)


def test_a_dirty_checkout_is_refused_where_others_rely_on_it(target: Stack, checkout: Path) -> None:
    (checkout / "release").write_text("mine")
    with pytest.raises(DeliveryError, match=r"changes that no commit has:\nM release"):
        program_of(relied_on(target), "v4")


def test_a_folder_that_is_no_repository_is_refused(target: Stack, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    subprocess.run(["git", "-C", str(tmp_path / "bare"), "rev-parse"], check=False, capture_output=True)
    with pytest.raises(DeliveryError, match="not a git repository"):
        program_of(replace(target, checkout=tmp_path / "bare"), "v1")
