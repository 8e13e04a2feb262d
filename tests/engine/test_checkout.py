"""The checkout stays clean, whatever `pulumi` is told to do; the passphrase and the salt stay on the machine."""

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from localcloud import paths, pulumi
from localcloud.problem import Problem
from tests.engine.project import STACK, Project, make_project, state_in

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi

    config = pulumi.Config()
    pulumi.export("word", config.require("word"))
    pulumi.export("secret", pulumi.Output.secret("hush"))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in git, all committed."""
    project = make_project(tmp_path_factory.mktemp("checkout"))
    project.write(PROGRAM)
    configuration = project.directory / f"Pulumi.{STACK}.yaml"
    configuration.write_text('# what the test stack is like\nconfig:\n  tried:word: "blue" # kept\n')
    shutil.copy(paths.CHECKOUT / ".gitignore", project.directory)
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--message=all")
    return project


def git(project: Project, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=project.directory, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("preview", f"--stack={STACK}"),
        ("up", "--yes", "--skip-preview", "--stack", STACK),
        ("preview", "-s", STACK, "--expect-no-changes"),
        ("refresh", "--yes", "--skip-preview", f"--stack={STACK}"),
        ("stack", "output", f"--stack={STACK}", "--show-secrets"),
        ("stack", "select", STACK),
        ("preview",),
        ("config",),
        ("config", "get", "word"),
        ("stack", "export", "--show-secrets"),
        ("destroy", "--yes", "--skip-preview"),
    ],
)
def test_a_command_leaves_the_checkout_clean(checkout: Project, arguments: tuple[str, ...]) -> None:
    checkout.pulumi(*arguments)
    assert git(checkout, "status", "--short") == ""


def test_a_secret_is_encrypted_in_the_state_and_shown_on_demand(checkout: Project) -> None:
    checkout.up()
    assert "hush" not in checkout.state_file.read_text()
    shown = checkout.pulumi("stack", "output", f"--stack={STACK}").said
    assert "hush" not in shown
    assert "[secret]" in shown
    assert checkout.outputs() == {"word": "blue", "secret": "hush"}


def test_a_setting_that_is_made_by_hand_goes_to_the_checkout_without_the_salt(project: Project) -> None:
    project.write(PROGRAM, {"word": "blue"})
    project.pulumi("config", "set", "word", "green", f"--stack={STACK}")
    project.pulumi("config", "set", "--secret", "key", "hush", f"--stack={STACK}")
    text = (project.directory / f"Pulumi.{STACK}.yaml").read_text()
    assert 'tried:word: "green"' in text
    assert "secure: v1:" in text
    assert "hush" not in text
    assert "encryptionsalt" not in text
    assert project.pulumi("config", "get", "key", f"--stack={STACK}").output.strip() == "hush"


def test_an_edited_setting_is_seen_by_the_next_command(project: Project) -> None:
    project.write(PROGRAM, {"word": "blue"})
    project.up()
    project.write(PROGRAM, {"word": "green"})
    assert '"blue" => "green"' in project.preview().said


def test_the_passphrase_is_made_once_and_for_its_owner_alone(project: Project) -> None:
    passphrase = project.state / "passphrase"
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    before = passphrase.read_text()
    assert len(before) >= 40
    assert before not in "".join(file.read_text() for file in project.directory.iterdir())
    with state_in(project.state.parent):
        pulumi.install(lambda _: None)
    assert passphrase.read_text() == before


def test_nothing_is_asked_of_the_network(project: Project, tmp_path: Path) -> None:
    """Every address but the loopback's is refused by an unreachable proxy and an empty network."""
    project.write(PROGRAM, {"word": "blue"})
    isolated = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    command = [*isolated, str(project.home / "bin" / "pulumi"), "up", "--yes", "--skip-preview", f"--stack={STACK}"]
    done = subprocess.run(
        [*command, "--non-interactive", "--json"],
        cwd=project.directory,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), **project.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr.lower()
    assert json.loads(project.state_file.read_text())


def test_a_state_that_the_machine_lost_half_of_is_restored(project: Project) -> None:
    """A machine that is switched off may keep a file's name and not its content."""
    project.write(PROGRAM, {"word": "blue"})
    project.up()
    before = project.outputs()
    project.state_file.write_text(project.state_file.read_text()[:100])
    heard: list[str] = []
    assert project.make_up(heard.append) == "nothing to change"
    assert "restoring the state from its last copy" in heard
    assert project.outputs() == before


def test_a_lost_passphrase_is_named_and_not_made_anew(project: Project) -> None:
    (project.state / "passphrase").unlink()
    with state_in(project.state.parent), pytest.raises(Problem, match="the stacks test"):
        pulumi.install(lambda _: None)


def test_a_passphrase_of_the_persons_own_does_not_win(project: Project) -> None:
    """Exported for another project, it was taken for that of the local stacks: `incorrect passphrase`."""
    project.write(PROGRAM, {"word": "blue"})
    project.up()
    project.environment["PULUMI_CONFIG_PASSPHRASE"] = "of another project"
    assert project.outputs()["secret"] == "hush"
    project.environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = "/nowhere"
    shown = ("stack", "output", "--show-secrets", f"--stack={STACK}")
    assert "passphrase" in project.pulumi(*shown, succeeds=False).said


def test_a_checkout_that_is_deleted_takes_no_command_of_another_along(project: Project, tmp_path: Path) -> None:
    """`pulumi` and its plugins ran from the checkout of the last `make up`, and failed without a word about it."""
    project.write(PROGRAM, {"word": "blue"})
    for script in (project.home / "bin" / "pulumi", *project.home.glob("plugins/*/pulumi-*")):
        script.write_text(script.read_text().replace(str(paths.CHECKOUT), str(tmp_path / "deleted")))
    project.preview(succeeds=False)
    with state_in(project.state.parent):
        pulumi.mend()
    project.preview()


def test_an_official_choice_that_was_cut_short_is_made_again(project: Project) -> None:
    (project.home / "official.json").write_text("")
    with state_in(project.state.parent):
        pulumi.install(lambda _: None)
    assert json.loads((project.home / "official.json").read_text())["usable"] is False


def test_an_official_pulumi_is_used_from_its_own_home_if_it_gets_its_plugins(project: Project, tmp_path: Path) -> None:
    """It is a script here that says yes or no: the real one can't be had."""
    path = tmp_path / "bin"
    path.mkdir()
    official = path / "pulumi"
    for answer, home in ((1, True), (0, False)):
        official.write_text(f"#!/bin/sh\nexit {answer}\n")
        official.chmod(0o755)
        (project.home / "official.json").unlink()
        with state_in(project.state.parent), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{path}:/usr/bin:/bin")
            pulumi.install(lambda _: None)
            assert ("PULUMI_HOME" in pulumi.environment()) is home
            assert (str(official) in pulumi.command().read_text()) is not home


def test_commands_keep_no_log_and_say_nothing_of_it(project: Project) -> None:
    """A log of each command, with every value of every resource in it, took a quarter of a preview's time."""
    logs = project.home / "logs"
    project.write(PROGRAM, {"word": "blue"})
    logs.unlink()
    usual = _lines(project.preview().said)
    assert list(logs.iterdir())
    with state_in(project.state.parent):
        pulumi.install(lambda _: None)
    assert _lines(project.preview().said) == usual
    assert logs.is_file()


def _lines(said: str) -> set[str]:
    """What is said, but for the dots of the time that it takes."""
    return {line.strip() for line in said.splitlines() if not line.startswith("@")}
