"""The language host, by the real engine: programs run as they do under the official one, and their errors read well."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.engine.project import STACK, Project, interrupt
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

OWN_ENVIRONMENT = "name: tried\nruntime:\n  name: python\n  options: {toolchain: pip, virtualenv: .venv}\n"


def test_what_a_program_prints_is_shown(project: Project) -> None:
    project.write(
        """
        import sys

        print("to stdout")
        print("to stderr", file=sys.stderr)
        """,
        {},
    )
    said = project.preview().said
    assert "to stdout" in said
    assert "to stderr" in said


def test_a_program_knows_where_and_for_what_it_runs(project: Project) -> None:
    project.write(
        """
        import os
        import sys

        import pulumi

        import beside

        config = pulumi.Config()
        pulumi.export("facts", {
            "stack": pulumi.get_stack(),
            "project": pulumi.get_project(),
            "organization": pulumi.get_organization(),
            "preview": pulumi.runtime.is_dry_run(),
            "directory": os.getcwd(),
            "root": pulumi.runtime.get_root_directory(),
            "python": sys.prefix,
            "beside": beside.WORD,
            "word": config.get("word"),
            "ours": [path for path in sys.path if "localcloud" in path],
        })
        pulumi.export("secret", config.require_secret("key"))
        """,
        {"word": "blue"},
    )
    (project.directory / "beside.py").write_text("WORD = 'here'\n")
    project.pulumi("config", "set", "--secret", "key", "hush", f"--stack={STACK}")
    assert "hush" not in project.up().said
    outputs = project.outputs()
    assert outputs["facts"] == {
        "stack": STACK,
        "project": "tried",
        "organization": "organization",
        "preview": False,
        "directory": str(project.directory),
        "root": str(project.directory),
        "python": sys.prefix,
        "beside": "here",
        "word": "blue",
        "ours": [],
    }
    assert outputs["secret"] == "hush"
    assert "hush" not in project.state_file.read_text()


def test_an_exception_is_told_from_the_programs_first_line_on(project: Project) -> None:
    project.write(
        """
        import pulumi

        def settle(value):
            raise LookupError(f"nothing named {value}")

        pulumi.export("kept", "x")
        settle("blue")
        """,
        {},
    )
    said = project.up(succeeds=False).said
    assert "LookupError: nothing named blue" in said
    assert '__main__.py", line 8' in said
    assert "runpy" not in said
    assert "localcloud/program.py" not in said
    assert "localcloud/language_host.py" not in said


def test_an_exception_in_an_apply_fails_the_update(project: Project) -> None:
    project.write(
        """
        import pulumi

        pulumi.export("value", pulumi.Output.from_input(1).apply(lambda value: value / 0))
        """,
        {},
    )
    said = project.up(succeeds=False).said
    assert "ZeroDivisionError" in said
    assert "never retrieved" not in said


@pytest.mark.parametrize(
    "ending", ["raise SystemExit('the settings are wrong')", "raise pulumi.RunError('the settings are wrong')"]
)
def test_a_clean_message_is_shown_without_a_traceback(project: Project, ending: str) -> None:
    project.write(f"import pulumi\n{ending}\n", {})
    result = project.up(succeeds=False)
    assert "the settings are wrong" in result.said
    assert "Traceback" not in result.said
    assert "localcloud" not in result.said.replace(str(project.directory), "")


def test_a_program_that_fails_loses_nothing(project: Project) -> None:
    program = """
        import pulumi
        import pulumi_random as random

        one = random.RandomId("one", byte_length=4)
        pulumi.export("one", one.hex)
    """
    project.write(program, {})
    project.up()
    before = project.outputs()
    project.write("raise SystemExit('half way')\n")
    project.up(succeeds=False)
    assert project.outputs() == before
    assert project.resource("one")["id"]
    project.write(program)
    project.up("--expect-no-changes")


def test_a_program_that_is_missing_is_named(project: Project) -> None:
    said = project.up(succeeds=False).said
    assert "__main__" in said
    assert str(project.directory) in said


def test_an_interrupt_ends_the_program_too(project: Project, tmp_path: Path) -> None:
    project.write(
        f"""
        import os
        import pathlib
        import time

        pathlib.Path("{tmp_path}/begun").write_text(str(os.getpid()))
        time.sleep(600)
        """,
        {},
    )
    with project.start("up", "--yes", "--skip-preview", f"--stack={STACK}") as update:
        wait_for((tmp_path / "begun").exists, "the program to begin")
        interrupt(update)
        update.communicate(timeout=60)
    assert update.returncode != 0
    program = (tmp_path / "begun").read_text()
    wait_for(lambda: not Path(f"/proc/{program}").exists(), "the program to end")


def test_the_environment_is_made_from_the_requirements_on_the_first_run(project: Project) -> None:
    """README: what `pulumi up` installs on a user's machine by itself."""
    (project.directory / "Pulumi.yaml").write_text(OWN_ENVIRONMENT)
    with zipfile.ZipFile(project.directory / "part-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("part.py", "WORD = 'installed'\n")
        wheel.writestr("part-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: part\nVersion: 1.0\n")
        wheel.writestr("part-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("part-1.0.dist-info/RECORD", "")
    (project.directory / "requirements.txt").write_text("./part-1.0-py3-none-any.whl\n")
    project.write("print('never reached without pulumi')\n", {})
    said = project.preview(succeeds=False).said
    python = project.directory / ".venv" / "bin" / "python"
    assert subprocess.check_output([python, "-c", "import part; print(part.WORD)"], text=True) == "installed\n"
    assert "No module named" in said
    assert "pulumi install" in said


def test_a_half_made_environment_is_named_with_the_way_out(project: Project) -> None:
    (project.directory / "Pulumi.yaml").write_text(OWN_ENVIRONMENT)
    (project.directory / ".venv" / "lib").mkdir(parents=True)
    project.write("", {})
    said = project.preview(succeeds=False).said
    assert "has no bin/python" in said
    assert "Remove it" in said


def test_another_toolchain_is_refused_with_the_one_that_works(project: Project) -> None:
    (project.directory / "Pulumi.yaml").write_text(
        "name: tried\nruntime:\n  name: python\n  options: {toolchain: poetry}\n"
    )
    project.write("", {})
    assert "toolchain: pip" in project.preview(succeeds=False).said


def test_a_plugin_in_source_is_run(project: Project) -> None:
    """What CrossGuard packs and component packages rest on."""
    place = project.directory / "parts"
    place.mkdir()
    (place / "PulumiPlugin.yaml").write_text(f"runtime:\n  name: python\n  options:\n    virtualenv: {sys.prefix}\n")
    (place / "__main__.py").write_text(
        "from pulumi.provider.experimental import component_provider_host\n"
        "from part import Part\n"
        "component_provider_host(name='parts', components=[Part])\n"
    )
    (place / "part.py").write_text(
        "from typing import TypedDict\n"
        "import pulumi\n"
        "class PartArgs(TypedDict):\n"
        "    word: pulumi.Input[str]\n"
        "class Part(pulumi.ComponentResource):\n"
        "    said: pulumi.Output[str]\n"
        "    def __init__(self, name: str, args: PartArgs, opts: pulumi.ResourceOptions | None = None) -> None:\n"
        "        super().__init__('parts:index:Part', name, {}, opts)\n"
        "        self.said = pulumi.Output.concat('part says ', args['word'])\n"
        "        self.register_outputs({'said': self.said})\n"
    )
    with (project.directory / "Pulumi.yaml").open("a") as file:
        file.write("plugins:\n  providers:\n    - {name: parts, path: ./parts}\n")
    project.write(
        """
        import pulumi

        class Part(pulumi.ComponentResource):
            said: pulumi.Output[str]

            def __init__(self, name, word):
                super().__init__("parts:index:Part", name, {"word": word, "said": None}, None, remote=True)

        pulumi.export("said", Part("one", "hello").said)
        """,
        {},
    )
    project.up()
    assert project.outputs()["said"] == "part says hello"


def test_about_tells_the_projects_python_and_packages(project: Project) -> None:
    project.write("", {})
    about = json.loads(project.pulumi("about", "--json", f"--stack={STACK}").output)
    assert about["runtime"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert "pulumi_random" in {dependency["name"] for dependency in about["dependencies"]}


def test_plugins_come_from_what_is_loaded_while_the_program_starts(project: Project) -> None:
    """A tenth of a second each, one after the other, with everything waiting."""
    project.write(
        """
        from pathlib import Path

        import pulumi
        import pulumi_random as random

        def command(file):
            try:
                return file.read_text()
            except OSError:  # ended meanwhile
                return ""

        def processes(_):
            words = Path("/proc/self/cmdline").read_text().split("\\0")
            engine = next(word.removeprefix("--engine=") for word in words if word.startswith("--engine="))
            named = f"localcloud.plugins.nursery\\0{engine}\\0"
            return sum(command(file).endswith(named) for file in Path("/proc").glob("[0-9]*/cmdline"))

        pulumi.export("processes", random.RandomId("one", byte_length=2).hex.apply(processes))
        """,
        {},
    )
    project.up()
    assert project.outputs()["processes"] == 2, "the one that has loaded, and the plugin"


def test_no_process_outlives_its_engine(project: Project) -> None:
    project.write("import pulumi_random as random\nrandom.RandomId('one', byte_length=2)\n", {})
    project.up()
    home = str(project.home)
    running = subprocess.run(["pgrep", "-f", home], capture_output=True, text=True, check=False).stdout.split()
    assert not running
