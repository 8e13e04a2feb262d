"""Production's first `pulumi preview`, beside the floor, on the simulated Google Cloud and without any cluster.

The floor is a program that loads the same modules of Pulumi's SDKs, registers the same resources with the same inputs
under the same components, all read from a file, and does nothing else. So engine, providers and what they check are the
same in both, and what is left is what our program costs. Each preview is of an empty project: what only an update makes
is unknown in both.

    python -m benchmarks.production     the comparison alone: the local cloud's programs must be built (`make up`)
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.program import Compared
from localcloud import paths
from tests.engine.project import STACK, Project
from tests.engine.test_gcp_production import begun, configure
from tests.unit.recording import Recording, run_stack

_RUNS: Final = 5
_REGISTRY: Final = "europe-west1-docker.pkg.dev/vision-week-production/vision-week"
# References, so that no image is looked up in a registry that nobody here has.
_IMAGES: Final = {name: f"{_REGISTRY}/{name}@sha256:{'0' * 64}" for name in ("app", "postgres", "websocket")}
_PROGRAM: Final = f"""
    import runpy
    import sys

    sys.path.append("{paths.CHECKOUT}")
    runpy.run_path("{paths.CHECKOUT / "__main__.py"}", run_name="__main__")
"""
_FLOOR: Final = """
    import importlib
    import json
    from pathlib import Path

    import pulumi

    told = json.loads(Path("told.json").read_text())
    for module in told["modules"]:
        importlib.import_module(module)
    made, unknown = {}, None

    def filled(value):
        if value == "(unknown)":
            return unknown
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list) else value

    for urn, kind, name, inputs, parent, provider in told["resources"]:
        opts = pulumi.ResourceOptions(parent=made.get(parent), provider=made.get(provider))
        if kind.startswith("vision-week:"):
            made[urn] = pulumi.ComponentResource(kind, name, None, opts)
        elif kind.startswith("pulumi:providers:"):
            made[urn] = pulumi.ProviderResource(kind.rpartition(":")[2], name, filled(inputs), opts)
        else:
            made[urn] = pulumi.CustomResource(kind, name, filled(inputs), opts)
            unknown = unknown or made[urn].id
"""


def measure(runs: int) -> Iterator[Compared]:
    """The medians, measured in turns, so that whatever else the machine does falls on both."""
    with tempfile.TemporaryDirectory(prefix="vision-week-production-") as folder, ExitStack() as here:
        stack, floor = (here.enter_context(begun(_made(Path(folder, name)))) for name in ("stack", "floor"))
        configure(stack, images={"fixed": _IMAGES})
        stack.write(_PROGRAM)
        config: dict[str, Any] = yaml.safe_load((stack.directory / f"Pulumi.{STACK}.yaml").read_text())["config"]
        resources = list(_listed(run_stack(config, preview=True)))
        modules = sorted(name for name in sys.modules if name.startswith("pulumi_"))
        (floor.directory / "told.json").write_text(json.dumps({"modules": modules, "resources": resources}))
        floor.write(_FLOOR)
        components = sum(kind.startswith("vision-week:") for _, kind, *_ in resources)
        seconds: dict[str, list[float]] = {"stack": [], "floor": []}
        for _ in range(runs):
            for name, project in (("stack", stack), ("floor", floor)):
                seconds[name].append(_preview(project, len(resources)))
        told = f"pulumi preview of production, nothing there, {len(resources) - components} resources"
        of_stack, of_floor = (statistics.median(seconds[name]) for name in ("stack", "floor"))
        yield Compared(f"{told} in {components} components", of_stack, of_floor)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _listed(recording: Recording) -> Iterator[Sequence[Any]]:
    for one in recording.made:
        provider = one.provider.rpartition("::")[0]  # a reference is a URN with an id behind it
        yield one.urn, one.type, one.name, dict(one.inputs), one.parent, provider


def _preview(project: Project, resources: int) -> float:
    started = time.monotonic()
    said = project.preview().said
    taken = time.monotonic() - started
    # The stack is a resource, too.
    assert f"+ {resources + 1} to create" in said, said  # noqa: S101  two that do something else can't be compared
    return taken


if __name__ == "__main__":
    for compared in measure(_RUNS):
        ratio = compared.stack / compared.floor
        print(f"{compared.operation}: {compared.stack:.1f} s, {ratio:.2f} x the floor of {compared.floor:.1f} s")  # noqa: T201
