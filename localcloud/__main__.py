"""The command behind `make`: brings the local cloud up, runs the program on it, takes it down."""

import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from localcloud import application, cluster, compose, debian, docker, files, images, paths, pulumi, toolchain
from localcloud.display import console, explain, say, step
from localcloud.failures import understood
from localcloud.images import buildkit
from localcloud.plugins.gcp import cloud
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
    say(f"{STACK}: {changes}")
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
        removed = [*compose.down(progress), *cluster.down(progress)]
    for line in removed or ["Nothing was there."]:
        say(f"  {line}")
    say(f"The cache stays in {paths.cache()}; delete it to have the disk space back.")


@app.command()
def status() -> None:
    """Say what runs and what is wrong; exits with 1 when something is."""
    report = cluster.status()
    standing = pulumi.standing(STACK)
    problems = {part.name: part.problem for part in report.parts}
    table = Table("part", "state", box=None)
    for name, problem in problems.items():
        table.add_row(name, _state(problem))
    table.add_row(f"stack {STACK}", _state(standing.problem, standing.said))
    if report.healthy and {"url", "ca_certificate"} <= standing.outputs.keys():
        problems["application"] = application.problem(standing.outputs["url"], standing.outputs["ca_certificate"])
        table.add_row("application", _state(problems["application"], f"answers at {standing.outputs['url']}"))
    console.print(table)
    _tell_notices()
    if any(problems.values()):
        raise Problem("Not everything runs.", "`make up` brings back what is missing.")
    if standing.problem:
        raise Problem(f"The stack {STACK} {standing.problem}.", "`make up` carries on from there.")


@app.command()
def preview(stack: Annotated[str, typer.Option(help="development, staging or production")] = STACK) -> None:
    """Show what `pulumi up` would change: localcloud preview --stack staging."""
    pulumi.require_settings(stack)
    environment = _environment()
    pulumi.ensure_stack(stack, environment)
    _become([str(pulumi.command()), "preview", "--stack", stack, "--diff", *pulumi.policies()], environment)


@app.command()
def url() -> None:
    """Print the application's URL, and nothing else: curl "$(make -s url)/health"."""
    print(pulumi.output(STACK, "url", _environment()))


@app.command()
def ca() -> None:
    """Print the path of the certificate that signs the application's: curl --cacert "$(make -s ca)" …"""
    file = paths.state() / "ca.crt"
    files.write(file, pulumi.output(STACK, "ca_certificate", _environment()))
    print(file)


@app.command()
def kubeconfig() -> None:
    """Print the path of the local cluster's kubeconfig: kubectl --kubeconfig "$(make -s kubeconfig)" get pods."""
    print(_kubeconfig())


@app.command()
def env() -> None:
    """Print the environment for working by hand: eval "$(make -s env)"."""
    variables = _environment()
    for name in pulumi.foreign(os.environ):
        if name not in variables:
            print(f"unset {name}")
    for name, value in sorted(variables.items()):
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")


@app.command()
def rehearse(
    stack: Annotated[str, typer.Option(help="staging or production")],
    pods: Annotated[
        bool, typer.Option(help="on the local cluster's nodes; without it every pod is called ready")
    ] = False,
) -> None:
    """Rehearse a stack of Google Cloud from an empty project to its removal, and print the path of the report."""
    from localcloud import rehearsal  # noqa: PLC0415  what it reads takes longer than most of these commands

    _kubeconfig()
    report = paths.state() / f"rehearsal-{stack}.md"
    rehearsal.rehearse(stack, report, played=not pods)
    print(report)


@app.command()
def compose_up() -> None:
    """Run the platform of compose.yaml, without Kubernetes, and print its URL."""
    debian.require()
    with step("Compose") as progress:
        print(compose.up(progress))
    say(f"Its authority is {compose.authority()}. Left out: grafana, whose image can't be had here.")


@app.command()
def compose_down() -> None:
    """Remove the platform of compose.yaml and its data."""
    debian.require()
    with step("Removing the platform of compose.yaml") as progress:
        removed = compose.down(progress)
    for line in removed or ["Nothing was there."]:
        say(f"  {line}")


@app.command()
def vpa_up() -> None:
    """Have the local cluster's vertical autoscaler run: it recommends, and changes pods that are made."""
    _kubeconfig()
    with step("Vertical autoscaler") as progress:
        cluster.vertical_autoscaling.up(progress)
    say("Set vision-week:vertical_autoscaling to true; then `kubectl get vpa -A` shows what it recommends.")


@app.command()
def logs_up() -> None:
    """Have the local registry give what keeps logs: Loki and the OpenTelemetry Collector."""
    _kubeconfig()
    with step("Images of what keeps logs") as progress:
        images.logs.up(progress)
    say("Set vision-week:monitoring.logs to true; then `./scripts/deploy.sh development logs` asks Loki.")


@app.command()
def traces_up() -> None:
    """Have the local registry give what keeps logs and traces: those of logs-up, and Jaeger."""
    _kubeconfig()
    with step("Images of what keeps logs and traces") as progress:
        images.logs.up(progress, traces=True)
    say("Set vision-week:monitoring.logs and vision-week:monitoring.traces.enabled to true.")


@app.command()
def google_up(project: str = "vision-week-local", number: int = 100000000000) -> None:
    """Have the local cluster's pods find what stands in for Google: who they are, Cloud Storage and GCS FUSE.

    They are told that they are of this project's.
    """
    _kubeconfig()
    about = cluster.google.Project(name=project, number=number, cluster="vision-week", location="europe-west1")
    with step("Google as pods see it") as progress:
        cluster.google.up(about, cloud.folder(), progress)
    say(f"With STORAGE_EMULATOR_HOST={cluster.google.BUCKETS} the simulated Google Cloud's buckets are those of pods.")


@app.command()
def google_down() -> None:
    """Remove what stands in for Google before pods, with what is in its buckets."""
    _kubeconfig()
    with step("Removing Google as pods see it") as progress:
        cluster.google.down(progress)


@app.command()
def vpa_down() -> None:
    """Remove the local cluster's vertical autoscaler."""
    _kubeconfig()
    with step("Removing the vertical autoscaler") as progress:
        cluster.vertical_autoscaling.down(progress)


@app.command()
def programs(names: list[str]) -> None:
    """Print the folders, for PATH, of programs that are built first if need be: localcloud programs syft k6."""
    with step(", ".join(names)) as progress:
        try:
            built = toolchain.build(names, progress)
        except KeyError as error:
            raise Problem(str(error.args[0]), "Correct its name.") from None
    print(os.pathsep.join(dict.fromkeys(str(program.parent) for program in built.values())))


@app.command(context_settings={"ignore_unknown_options": True})
def run(command: list[str]) -> None:
    """Run a command in the environment of the local cloud: localcloud run -- kubectl get pods."""
    _become(command, _environment())


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
        files.write(_build_contexts(), json.dumps(contexts))
    with step("Kubernetes cluster") as progress:
        cluster.up(progress)
    _tell_notices()
    with step("Pulumi plugins") as progress:
        pulumi.install(progress)


def _tell_notices() -> None:
    for notice in cluster.notices():
        console.print(f"[yellow]{escape(notice)}[/yellow]")


def _environment() -> Mapping[str, str]:
    """What pulumi and kubectl need to find the local cloud."""
    config = _kubeconfig()
    pulumi.mend()
    pulumis = pulumi.environment()
    tools = {str(toolchain.binary(name).parent) for name in ("kubectl", "buildctl")}
    return {
        **pulumis,
        **buildkit.environment(),
        "KUBECONFIG": str(config),
        "LOCALCLOUD_BUILD_CONTEXTS": _build_contexts().read_text(),
        "PATH": os.pathsep.join(dict.fromkeys([*sorted(tools), *pulumis["PATH"].split(os.pathsep)])),
    }


def _kubeconfig() -> Path:
    """The kubeconfig of a local cloud that was brought up as far as the last step, whether or not it runs now."""
    if not (cluster.kubeconfig().exists() and _build_contexts().exists() and pulumi.command().exists()):
        raise Problem("The local cloud is not there.", "Run `make up` first.")
    return cluster.kubeconfig()


def _build_contexts() -> Path:
    return paths.state() / "build-contexts.json"


def _state(problem: str | None, otherwise: str = "healthy") -> str:
    return f"[red]{escape(problem)}[/red]" if problem else f"[green]{escape(otherwise)}[/green]"


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Go on as another command, so that interrupts and exit codes are its own."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    variables = pulumi.complete(environment)
    program = shutil.which(command[0], path=variables["PATH"])
    if program is None:
        raise Problem(f"There is no command {command[0]}.", "Correct its name, or put it on PATH.")
    sys.stdout.flush()
    os.execve(program, list(command), variables)  # noqa: S606  a list of words, and no shell


def main() -> None:
    """Run a command. What a person can mend becomes a message with the way out, and exit code 1."""
    heard: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is in a shell's background
            signal.signal(number, interrupt)
    try:
        app()
    except BaseException as error:
        if heard:
            say("\nInterrupted. The same command carries on from here.")
            sys.exit(128 + heard[0])
        if (problem := understood(error)) is None:
            raise
        explain(problem)
        sys.exit(1)


if __name__ == "__main__":
    main()
