"""The base of all plugins, by the real engine: values in every wrapping, errors, partial failure, cancelling, dying."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import paths
from localcloud.problem import Problem
from localcloud.pulumi.home import required_plugins
from tests.engine.project import STACK, Project, interrupt
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi

    config = pulumi.Config()

    class Thing(pulumi.CustomResource):
        made: pulumi.Output[str]

        def __init__(self, name, value, opts=None, **behaviour):
            inputs = {"log": config.require("log"), "value": value, "behaviour": behaviour, "made": None}
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version="1.2.3"))
            super().__init__("probe:index:Thing", name, inputs, opts)

"""
CHAIN = """
good = Thing("good", "x")
Thing("thing", "x", pulumi.ResourceOptions(depends_on=[good]){behaviour})
"""


@pytest.fixture
def probed(project: Project, tmp_path: Path) -> Project:
    """A project with the probe, and `log` in its configuration."""
    project.add_plugin("probe", "1.2.3", Path(__file__).with_name("probe.py"))
    (tmp_path / "log").mkdir()
    project.write("", {"log": str(tmp_path / "log")})
    return project


@pytest.fixture
def log(probed: Project) -> Path:
    return probed.directory.parent / "log"


def write(project: Project, program: str) -> None:
    body = "\n".join(f"    {line}" for line in program.strip().splitlines())
    project.write(PROGRAM + body + "\n")


def test_a_secret_input_makes_a_secret_output(probed: Project) -> None:
    write(probed, 'thing = Thing("thing", pulumi.Output.secret("hush"))\npulumi.export("made", thing.made)')
    printed = probed.up().said + probed.preview("--diff").said
    assert probed.outputs()["made"] == "created hush"
    assert "hush" not in printed
    assert "hush" not in probed.state_file.read_text()
    assert "[secret]" in printed


def test_every_kind_of_value_survives_the_way_there_and_back(probed: Project) -> None:
    write(
        probed,
        """
value = {"whole": 3, "part": 2.5, "yes": True, "text": "ä\\n", "list": [1, [], {}], "deep": {"a": {"b": ["c"]}}}
thing = Thing("thing", value)
pulumi.export("same", thing.made.apply(lambda made: made == f"created {value}"))
""",
    )
    probed.up()
    probed.preview("--expect-no-changes")
    state = probed.resource("thing")["outputs"]["value"]
    assert state == {
        "whole": 3,
        "part": 2.5,
        "yes": True,
        "text": "ä\n",
        "list": [1, [], {}],
        "deep": {"a": {"b": ["c"]}},
    }
    assert probed.resource("thing")["outputs"]["made"].startswith("created {")


def test_what_is_not_known_yet_is_not_known_downstream(probed: Project) -> None:
    write(
        probed,
        """
first = Thing("first", "x")
second = Thing("second", first.made)
second.made.apply(lambda made: pulumi.info(f"seen {made}"))
""",
    )
    preview = probed.preview("--json")
    assert "seen" not in preview.said
    assert "seen created created x" in probed.up().said


def test_a_change_is_shown_by_its_path(probed: Project) -> None:
    write(probed, 'Thing("thing", {"a": [1, 2], "dotted.key": 1})')
    probed.up()
    write(probed, 'Thing("thing", {"a": [1, 3, 4], "dotted.key": 2})')
    assert probed.steps()["thing"]["detailedDiff"] == {
        "value.a[1]": {"kind": "update", "inputDiff": True},
        "value.a[2]": {"kind": "add", "inputDiff": True},
        'value["dotted.key"]': {"kind": "update", "inputDiff": True},
    }


def test_a_failure_is_told_in_the_plugins_words_and_the_rest_is_kept(probed: Project) -> None:
    write(probed, 'Thing("good", "x")\nThing("bad", "x", create="fail")')
    said = probed.up(succeeds=False).said
    assert "it can't be done" in said
    assert "Traceback" not in said
    assert probed.resource("good")["id"] == "id-good"
    write(probed, 'Thing("good", "x")\nThing("bad", "x")')
    assert "1 created" in probed.up().said


def test_a_fault_of_the_plugin_is_said_to_be_one(probed: Project) -> None:
    write(probed, 'Thing("thing", "x", create="fault")')
    said = probed.up(succeeds=False).said
    assert "a fault in the local probe plugin: ZeroDivisionError: nothing to divide by (probe.py:" in said


def test_what_was_made_but_never_became_ready_is_kept_and_completed(probed: Project) -> None:
    write(probed, 'Thing("thing", "x", create="incomplete")')
    said = probed.up(succeeds=False).said
    assert "it never became ready" in said
    assert probed.resource("thing")["id"] == "id-thing"
    assert probed.resource("thing")["initErrors"] == ["it was made", "it never became ready"]
    said = probed.up().said
    assert "1 updated" in said
    assert "initErrors" not in probed.resource("thing")
    probed.preview("--expect-no-changes")


def test_requests_are_answered_in_parallel(probed: Project, log: Path) -> None:
    """Twenty things wait at the same time: the last to begin does so while the first still waits."""
    names = [f"thing{number}" for number in range(20)]
    write(probed, f'for name in {names}:\n    Thing(name, "x", create="wait")')
    with probed.start("up", "--yes", "--skip-preview", f"--stack={STACK}", "--parallel=20") as update:
        wait_for(lambda: len(list(log.glob("*.create.begun"))) == 20, "all to begin")
        assert not list(log.glob("*.create.done"))
        for name in names:
            (log / f"{name}.go").touch()
        assert update.wait(timeout=60) == 0


def test_a_resource_that_is_gone_leaves_the_state_on_refresh_and_is_made_again(probed: Project, log: Path) -> None:
    program = PROGRAM.replace('"made": None}', f'"made": None, "gone": "{log / "gone"}"}}')
    probed.write(program + '    Thing("thing", "x")\n')
    probed.up()
    (log / "gone").touch()
    assert "1 deleted" in probed.refresh().said
    (log / "gone").unlink()
    assert "1 created" in probed.up().said


def test_a_killed_plugin_is_named_and_the_next_update_completes(probed: Project, log: Path) -> None:
    write(probed, CHAIN.format(behaviour=', create="die"'))
    said = probed.up(succeeds=False).said
    assert "pulumi-resource-probe" in said
    assert "exited prematurely" in said
    assert probed.resource("good")["id"] == "id-good"
    write(probed, CHAIN.format(behaviour=""))
    assert probed.make_up() == "1 created"
    assert (log / "thing.create.done").exists()


def test_an_interrupt_stops_what_waits_and_loses_nothing(probed: Project, log: Path) -> None:
    write(probed, CHAIN.format(behaviour=', create="wait"'))
    with probed.start("up", "--yes", "--skip-preview", f"--stack={STACK}") as update:
        wait_for((log / "thing.create.begun").exists, "the creation to begin")
        interrupt(update)
        said = "".join(update.communicate(timeout=60))
    assert update.returncode != 0
    assert "cancelled while waiting" in said
    assert probed.resource("good")["id"] == "id-good"
    (log / "thing.go").touch()
    assert probed.make_up() == "1 created"


def test_a_killed_engine_leaves_nothing_that_the_next_update_does_not_settle(probed: Project, log: Path) -> None:
    """The lock of the dead process, the pending creation and the plugin that waited are all gone."""
    write(probed, CHAIN.format(behaviour=', create="wait"'))
    with probed.start("up", "--yes", "--skip-preview", f"--stack={STACK}") as update:
        wait_for((log / "thing.create.begun").exists, "the creation to begin")
        plugins = children(update.pid)
        assert plugins
        update.kill()
    wait_for(lambda: not any(Path(f"/proc/{plugin}/cmdline").exists() for plugin in plugins), "the plugins to end")
    assert probed.deployment()["pending_operations"]
    assert "locked" in probed.up(succeeds=False).said
    (log / "thing.go").touch()
    heard: list[str] = []
    assert probed.make_up(heard.append) == "1 created"
    assert "completing the interrupted update" in heard
    assert "pending_operations" not in probed.deployment()
    probed.preview("--expect-no-changes")


def test_an_interrupt_of_make_up_waits_until_the_engine_has_ended_well(probed: Project, log: Path) -> None:
    write(probed, CHAIN.format(behaviour=', create="wait"'))
    # As from a terminal: what a shell runs in its background is deaf to interrupts.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import json, sys; from pathlib import Path; from localcloud import pulumi; "
        "pulumi.up(sys.argv[1], json.loads(sys.argv[2]), print, Path(sys.argv[3]))"
    )
    arguments = [sys.executable, "-c", code, STACK, json.dumps(probed.environment), str(probed.directory)]
    with subprocess.Popen(
        arguments,
        cwd=paths.CHECKOUT,
        env={**os.environ, "XDG_STATE_HOME": str(probed.state.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as make:
        wait_for((log / "thing.create.begun").exists, "the creation to begin")
        interrupt(make)
        said, _ = make.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    assert probed.resource("good")["id"] == "id-good"
    assert not list(probed.state.glob("pulumi/.pulumi/locks/**/*.json"))


def test_a_running_update_is_left_alone_and_named(probed: Project, log: Path) -> None:
    write(probed, 'Thing("thing", "x", create="wait")')
    with probed.start("up", "--yes", "--skip-preview", f"--stack={STACK}") as update:
        wait_for((log / "thing.create.begun").exists, "the creation to begin")
        with pytest.raises(Problem, match="Another update of this stack is running"):
            probed.make_up()
        (log / "thing.go").touch()
        assert update.wait(timeout=60) == 0


def test_a_failed_update_is_a_problem_with_the_reason_alone(probed: Project) -> None:
    write(probed, 'Thing("bad", "x", create="fail")')
    with pytest.raises(Problem) as problem:
        probed.make_up()
    assert "it can't be done" in problem.value.what
    assert "Resources:" not in problem.value.what


def test_nothing_to_change_is_said(probed: Project) -> None:
    write(probed, 'Thing("thing", "x")')
    assert probed.make_up() == "2 created"
    assert probed.make_up() == "nothing to change"


def test_an_update_that_only_replaces_is_a_change(project: Project) -> None:
    """It was told as `nothing to change`: the engine writes `+-1 replaced`, without a blank."""
    program = "import pulumi_random as random\nrandom.RandomId('one', byte_length={length})\n"
    project.write(program.format(length=2), {})
    project.make_up()
    project.write(program.format(length=4), {})
    assert project.make_up() == "1 replaced"


def test_a_function_is_called_with_its_arguments(probed: Project) -> None:
    write(
        probed,
        """
result = pulumi.runtime.invoke("probe:index:ask", {"word": "please"}, pulumi.InvokeOptions(version="1.2.3"))
pulumi.export("result", result.value)
""",
    )
    probed.up()
    assert probed.outputs()["result"] == {
        "token": "probe:index:ask",
        "preview": False,
        "arguments": {"word": "please"},
    }


def test_plugins_answer_with_the_versions_that_the_packages_ask_for(project: Project) -> None:
    """Otherwise every command warns."""
    project.write(
        """
        import pulumi_random as random
        import pulumi_tls as tls

        random.RandomId("one", byte_length=2)
        tls.PrivateKey("two", algorithm="ED25519")
        """,
        {},
    )
    said = project.preview().said + project.up().said
    assert "warning" not in said.lower()
    listed = {
        plugin["name"]: plugin["version"] for plugin in json.loads(project.pulumi("plugin", "ls", "--json").output)
    }
    required = {plugin.name: plugin.version for plugin in required_plugins()}
    for name in ("docker", "docker-build", "kubernetes", "random", "tls"):
        assert listed[name] == required[name]
    project.pulumi("plugin", "ls", "--project")


def children(pid: int) -> list[int]:
    """The plugins of an engine: processes whose parent it is."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(folder.name))
        except OSError:
            continue
    return found
