"""The command behind `make`: brings the local cloud up, runs the program on it, takes it down."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from localcloud import cluster, debian, docker, images, paths, pulumi, toolchain
from localcloud.display import console, explain, step
from localcloud.images import buildkit
from localcloud.problem import Problem

STACK = "development"
TEST_PACKAGES = paths.CHECKOUT / "tests" / "app" / "packages.txt"

app = typer.Typer(
    help="The whole platform on one Linux machine. `make` has a shorter word for each of these.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def up() -> None:
    """Bring everything up and print the URL. Running already, it changes nothing and says so."""
    _machine_up()
    with step(f"Pulumi stack {STACK}") as progress:
        environment = _environment()
        pulumi.ensure_stack(STACK, environment)
        changes = pulumi.up(STACK, environment, progress)
    console.print(f"{STACK}: {changes}")
    print(pulumi.output(STACK, "url", environment))


@app.command()
def prepare() -> None:
    """Bring up what the tests need: the local cloud, without a stack on it."""
    _machine_up()
    with step("Debian packages of the tests") as progress:
        debian.install(TEST_PACKAGES.read_text().split(), progress)


@app.command()
def down() -> None:
    """Remove containers, networks, mounts, firewall rules and state. The cache stays."""
    debian.require()
    with step("Removing the local cloud") as progress:
        removed = cluster.down(progress)
    for line in removed or ["Nothing was there."]:
        console.print(f"  {line}")
    console.print(f"The cache stays in {paths.cache()}; delete it to have the disk space back.")


@app.command()
def status() -> None:
    """Say what runs and what is wrong; exits with 1 when something is."""
    report = cluster.status()
    table = Table("part", "state", box=None)
    for part in report.parts:
        table.add_row(part.name, "[green]healthy[/green]" if part.healthy else f"[red]{part.problem}[/red]")
    console.print(table)
    if not report.healthy:
        raise Problem("Not everything runs.", "`make up` brings back what is missing.")


@app.command()
def preview(stack: Annotated[str, typer.Option(help="development, staging or production")] = STACK) -> None:
    """Show what `pulumi up` would change."""
    environment = _environment()
    pulumi.ensure_stack(stack, environment)
    raise typer.Exit(pulumi.run(["preview", "--stack", stack, "--diff"], environment))


@app.command()
def url() -> None:
    """Print the application's URL, and nothing else."""
    print(pulumi.output(STACK, "url", _environment()))


@app.command()
def ca() -> None:
    """Print the path of the certificate that signs the application's own."""
    file = paths.state() / "ca.crt"
    file.write_text(pulumi.output(STACK, "ca_certificate", _environment()))
    print(file)


@app.command()
def kubeconfig() -> None:
    """Print the path of the local cluster's kubeconfig."""
    print(cluster.kubeconfig())


@app.command()
def env() -> None:
    """Print the environment for working by hand: eval "$(make -s env)"."""
    for name, value in sorted(_environment().items()):
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")


@app.command(context_settings={"ignore_unknown_options": True})
def run(command: list[str]) -> None:
    """Run a command in the environment of the local cloud: localcloud run -- kubectl get pods."""
    raise typer.Exit(subprocess.run(command, env={**os.environ, **_environment()}, check=False).returncode)


def _machine_up() -> None:
    debian.require()
    with step("Toolchain") as progress:
        toolchain.build(progress=progress)
    with step("Docker engine") as progress:
        docker.ensure_engine(progress)
    with step("Registry") as progress:
        cluster.registry_up(progress)
    with step("Image builder") as progress:
        images.buildkit_up(progress)
    with step("Stand-in images") as progress:
        contexts = images.stand_ins_up(progress)
        _build_contexts().write_text(json.dumps(contexts))
    with step("Kubernetes cluster") as progress:
        cluster.up(progress)
    with step("Pulumi plugins") as progress:
        pulumi.install(progress)


def _environment() -> Mapping[str, str]:
    """What pulumi and kubectl need to find the local cloud."""
    if not cluster.kubeconfig().exists():
        raise Problem("The local cloud is not there.", "Run `make up` first.")
    pulumis = pulumi.environment()
    tools = {str(toolchain.binary(name).parent) for name in ("kubectl", "buildctl")}
    return {
        **pulumis,
        **buildkit.environment(),
        "KUBECONFIG": str(cluster.kubeconfig()),
        "LOCALCLOUD_BUILD_CONTEXTS": _build_contexts().read_text(),
        "PATH": os.pathsep.join([*sorted(tools), pulumis["PATH"]]),
    }


def _build_contexts() -> Path:
    return paths.state() / "build-contexts.json"


def main() -> None:
    """Run a command; a `Problem` becomes a message with the way out, and exit code 1."""
    try:
        app()
    except Problem as problem:
        explain(problem)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("\nInterrupted. The same command carries on from here.")
        sys.exit(130)


if __name__ == "__main__":
    main()
