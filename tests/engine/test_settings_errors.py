"""Wrong settings, by the real engine: what a person reads who types `pulumi preview`.

The real program, in a project of its own. Nothing is built: the settings are refused before the first resource.
"""

import json
import shutil
from pathlib import Path

import pytest

from localcloud import paths
from tests.engine.project import STACK, Project, Result, make_project

pytestmark = pytest.mark.engine

RIGHT = """\
  vision-week:purpose: workbench
  vision-week:release: v1
  vision-week:cluster: kind-kind
  vision-week:images: { registry: registry.example/vision-week }
  vision-week:edge: { flavour: nginx, url: https://vision-week.example }
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The program of the checkout."""
    made = make_project(tmp_path_factory.mktemp("settings"))
    text = (made.directory / "Pulumi.yaml").read_text()
    (made.directory / "Pulumi.yaml").write_text(text.replace("name: tried", "name: vision-week"))
    shutil.copy(paths.CHECKOUT / "__main__.py", made.directory)
    for part in ("components", "images"):
        (made.directory / part).symlink_to(paths.CHECKOUT / part)
    made.pulumi("stack", "init", STACK, "--no-select")
    return made


def stack_file(project: Project) -> Path:
    return project.directory / f"Pulumi.{STACK}.yaml"


def refused(project: Project, text: str) -> Result:
    """A preview with this stack file, which fails without a traceback and without a resource."""
    stack_file(project).write_text(text)
    result = project.preview(succeeds=False)
    assert result.code != 0
    assert "Traceback" not in result.said
    assert "kubernetes:" not in result.said
    return result


def test_every_fault_is_told_at_once_with_its_line_value_reason_and_hint(project: Project) -> None:
    said = refused(
        project,
        f"""\
# yaml-language-server: $schema=docs/settings.schema.json
config:
{RIGHT}\
  vision-week:app:
    replica: 3
    log_level: loud
    replicas: {{ min: 5, max: 3 }}
  vision-week:postgres:
    members: 2
  visionweek:protect: false
""",
    ).said
    for told in (
        "5 settings are wrong, and nothing was changed. Mend them, then run the same command again:",
        "Pulumi.test.yaml:9: vision-week:app.replica = 3\n    unknown key\n    Did you mean replicas?",
        'Pulumi.test.yaml:10: vision-week:app.log_level = "loud"\n    must be one of debug, info, warning, error',
        "Pulumi.test.yaml:11: vision-week:app.replicas",
        "max (3) is less than min (5)",
        "Pulumi.test.yaml:13: vision-week:postgres.members = 2\n    must be one of 1, 3, 5",
        "Pulumi.test.yaml:14: visionweek:protect\n    nobody reads the namespace visionweek",
        "Did you mean vision-week:protect?",
    ):
        assert told in _unindented(said), told


def _unindented(said: str) -> str:
    """The engine indents what it shows; how far is its own business."""
    lines = [line.strip() for line in said.splitlines()]
    return "\n".join(
        f"    {line}" if index and lines[index - 1] and not _starts(line) else line for index, line in enumerate(lines)
    )


def _starts(line: str) -> bool:
    return line.startswith("Pulumi.test.yaml") or not line


# As it is typed -> as the real CLI hands it over, where that is something else.
TRAPS = {
    "on": "",
    "yes": "",
    "1e3": "1000",
    "08": "8",
    "010": "8",
    "0o17": "15",
    "0x1F": "31",
    "1_000": "1000",
    "1.10": "1.1",
    "12:30": "",
    "2027-01-31": '"2027-01-31 00:00:00 +0000 UTC"',
}


def test_what_yaml_takes_for_something_else_is_told_with_what_arrived(project: Project) -> None:
    lines = "".join(f"      key{index}: {written}\n" for index, written in enumerate(TRAPS))
    said = refused(
        project,
        f"config:\n{RIGHT}  vision-week:storage:\n    parameters:\n{lines}    retain:\n  vision-week:protect: on\n",
    ).said
    assert f"{len(TRAPS) + 2} settings are wrong" in said
    for index, (written, arrives) in enumerate(TRAPS.items()):
        block = said.partition(f":{9 + index}: vision-week:storage.parameters.key{index} = {written}\n")[2]
        assert f'"{written}"' in block[:400], f"what to write instead of {written}"
        assert (f"it arrives as {arrives}\n" in block.partition("vision-week:")[0]) is bool(arrives), written
    assert "vision-week:storage.retain\n" in said
    assert "nothing is written after the colon, which is null" in said
    assert "vision-week:protect = on" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"config:\n{RIGHT}  vision-week:release: v2\n",
            'line 7: mapping key "vision-week:release" already defined at line 3',
        ),
        (f"config:\n{RIGHT}\tvision-week:protect: false\n", "line 7: found character that cannot start any token"),
        ("config: [a]\n", "cannot unmarshal !!seq"),
    ],
    ids=["a key twice", "a tab", "a list"],
)
def test_what_is_no_mapping_to_pulumi_it_refuses_itself(project: Project, text: str, said: str) -> None:
    assert said in refused(project, text).said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}\n", "config\n    is missing or empty"),
        (
            f"vision-week:release: v1\nconfig:\n{RIGHT}",
            "vision-week:release\n    stands beside `config:`, not below it",
        ),
        (f"config:\n{RIGHT}  release: v2\n", "release\n    is there twice, first in line 3"),
    ],
    ids=["empty", "beside", "two spellings"],
)
def test_a_file_of_the_wrong_shape_is_told_as_such(project: Project, text: str, said: str) -> None:
    assert said in _unindented(refused(project, text).said)


def test_contradictions_are_told_with_the_setting_to_change(project: Project) -> None:
    said = refused(project, f"config:\n{RIGHT}  vision-week:timeouts: {{ edge: 20 }}\n  protect: false\n").said
    assert "Pulumi.test.yaml:7: vision-week:timeouts.edge = 20" in said
    assert "must be longer than timeouts.nginx (65)" in said


def test_a_secret_is_never_printed(project: Project) -> None:
    stack_file(project).write_text(f"config:\n{RIGHT}")
    for path in ("vision-week:app.log_level", "vision-week:monitoring.receivers[0].name"):
        project.pulumi("config", "set", "--secret", "--path", path, "Hunter2!", f"--stack={STACK}")
    result = project.preview(succeeds=False)
    assert "vision-week:app.log_level = (secret)" in result.said
    assert "Hunter2" not in result.said
    assert "Hunter2" not in stack_file(project).read_text()


def test_what_the_command_line_writes_is_read(project: Project) -> None:
    """It writes every value as a text, and keeps the line that editors read."""
    first = "# yaml-language-server: $schema=docs/settings.schema.json\n"
    stack_file(project).write_text(f"{first}config:\n{RIGHT}")
    for arguments in (
        ("vision-week:release", "1.10"),
        ("protect", "false"),
        ("--path", "vision-week:app.replicas", "2"),
        ("--path", "vision-week:monitoring.enabled", "false"),
        ("--path", "vision-week:postgres.backups.enabled", "false"),
        ("--path", "vision-week:storage.snapshots.enabled", "false"),
        ("--path", "vision-week:images.php", "8.3"),
    ):
        project.pulumi("config", "set", *arguments, f"--stack={STACK}")
    assert stack_file(project).read_text().startswith(first)
    said = project.preview(succeeds=False).said
    assert "settings are wrong" not in said
    assert "This program does not build yet what these settings ask for, and nothing was changed:" in said
    assert {line.strip() for line in said.splitlines() if line.strip().startswith("vision-week:")} == {
        "vision-week:images.php: is not built yet, and would have no effect; leave it out"
    }


def test_no_setting_of_production_is_refused(project: Project) -> None:
    """What stops its preview here is that it promotes images of a registry that no stand-in asks."""
    stack_file(project).write_text((paths.CHECKOUT / "Pulumi.production.yaml").read_text())
    for name in ("alerts-on-call", "heartbeat"):
        where = ("--secret", "--path", f"vision-week:webhooks.{name}")
        project.pulumi("config", "set", *where, f"https://hooks.example/{name}", f"--stack={STACK}")
    said = project.preview(succeeds=False).said
    assert "settings are wrong" not in said
    assert "not built yet" not in said
    assert "docker:index/getRegistryImage:getRegistryImage failed" in said
    state = json.loads(project.pulumi("stack", "export", f"--stack={STACK}").output)
    assert not state["deployment"].get("resources")
