"""The stack that an action is for: its settings, and the two commands that reach it, `pulumi` and `kubectl`."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from components.settings import ExistingCluster, GoogleCluster, Settings
from operations.delivery.problem import DeliveryError, Exit
from operations.stacks import settings_of

CHECKOUT: Final = Path(__file__).resolve().parents[2]
# Pulumi's own variable for a file elsewhere than Pulumi.STACK.yaml.
FILE: Final = "PULUMI_OPTION_CONFIG_FILE"
_AREAS: Final = ("app", "data", "edge", "monitoring")


def environments() -> list[str]:
    """Those that the checkout has a stack's file of."""
    return sorted(each.name.split(".")[1] for each in CHECKOUT.glob("Pulumi.*.yaml"))


@dataclass(frozen=True)
class Target:
    """A stack.

    file: where its settings are written. checkout: the program that makes it.
    """

    stack: str
    file: Path
    settings: Settings
    checkout: Path = CHECKOUT

    @classmethod
    def named(cls, stack: str) -> "Target":
        """The stack of this name. Raises `Problem` where there is none, or its file is wrong."""
        given = os.environ.get(FILE)
        file = Path(given) if given else CHECKOUT / f"Pulumi.{stack}.yaml"
        if not file.exists():
            known = environments()
            close = get_close_matches(stack, known, n=1)
            raise DeliveryError(
                f"There is no environment {stack}: {file} isn't there.",
                f"did you mean {close[0]}?" if close else f"name one of {', '.join(known)}",
            )
        return cls(stack, file, settings_of(file))

    def with_file(self, file: Path) -> "Target":
        """The same stack with other settings."""
        return replace(self, file=file, settings=settings_of(file))

    @property
    def context(self) -> str:
        """Of the kubeconfig. A cluster of Google's has the name that `gcloud … get-credentials` gives it."""
        cluster = self.settings.cluster
        if isinstance(cluster, GoogleCluster):
            return f"gke_{cluster.project}_{cluster.region}_{self.settings.namespace_prefix}"
        return cluster.context

    @property
    def namespaces(self) -> Mapping[str, str]:
        """Area -> name, as components/tenancy.py gives them."""
        return {area: f"{self.settings.namespace_prefix}-{area}" for area in _AREAS}

    def kubectl_command(self, *arguments: str) -> list[str]:
        cluster = self.settings.cluster
        given = cluster.kubeconfig if isinstance(cluster, ExistingCluster) else None
        return ["kubectl", *(["--kubeconfig", given] if given else []), "--context", self.context, *arguments]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run `kubectl` and give what it printed."""
        return _run(self.kubectl_command(*arguments), self.environment(), self.checkout, stdin)

    def piped(self, reading: Sequence[str], writing: Sequence[str]) -> None:
        """Run `kubectl` twice, the second reading what the first prints. Raises `DeliveryError` if either fails."""
        environment = self.environment()
        with TemporaryFile() as said:
            source = subprocess.Popen(
                self.kubectl_command(*reading),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
            )
            with source:
                done = subprocess.run(
                    self.kubectl_command(*writing),
                    env=environment,
                    stdin=source.stdout,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    check=False,
                )
                # It would wait for whoever reads no more.
                if done.returncode != 0:
                    source.terminate()
            if done.returncode != 0 or source.returncode != 0:
                said.seek(0)
                raise DeliveryError(said.read().decode(errors="replace").strip(), "mend what it names", Exit.BROKEN)

    def listed(self, area: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """The objects of one kind in one of the stack's namespaces."""
        found = self.kubectl("-n", self.namespaces[area], "get", kind, "-l", selector, "-o", "json")
        items: list[dict[str, Any]] = json.loads(found)["items"]
        return items

    def workloads(self) -> Iterator[dict[str, Any]]:
        """The Deployments and StatefulSets that users depend on."""
        for area in ("app", "data", "edge"):
            yield from self.listed(area, "deployments,statefulsets")

    def pulumi_command(self, *arguments: str) -> list[str]:
        return ["pulumi", *arguments, "--stack", self.stack, "--non-interactive"]

    @property
    def policies(self) -> list[str]:
        """The rules of the checkout, for previews and updates."""
        pack = self.checkout / "policies"
        return [f"--policy-pack={pack}"] if (pack / "PulumiPolicy.yaml").exists() else []

    @property
    def advice(self) -> list[str]:
        """The same for a rollback, which brings what has passed: rules add what they added then, and only warn."""
        levels = self.checkout / "policies" / "advisory.json"
        return [*self.policies, f"--policy-pack-config={levels}"] if levels.exists() else []

    def pulumi(self, *arguments: str) -> str:
        """Run `pulumi` on the stack and give what it printed."""
        return _run(self.pulumi_command(*arguments), self.environment(), self.checkout)

    def shown(self, *arguments: str) -> int:
        """Run `pulumi` before the person's eyes and give its exit code.

        It has a process group of its own, so that an interrupt reaches it once, from here: then it ends in good order,
        which is waited for. A second interrupt makes it give up at once.
        """
        interrupted = False
        with subprocess.Popen(
            self.pulumi_command(*arguments),
            env=self.environment(),
            cwd=self.checkout,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            while process.poll() is None:
                try:
                    process.wait()
                except KeyboardInterrupt:
                    interrupted = True
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGINT)
        if interrupted:
            raise KeyboardInterrupt
        return process.returncode

    def outputs(self) -> Mapping[str, Any]:
        """What the stack gave last. Raises `DeliveryError` where it isn't up."""
        found: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json"))
        if not found:
            raise DeliveryError(f"{self.stack} isn't up.", f"./scripts/deploy.sh {self.stack} deploy --tag …")
        return found

    def environment(self) -> dict[str, str]:
        # The checkout's own is found without being named; named, the engine would write the passphrase's salt into it
        # where the local cloud gives it a copy (localcloud/pulumi/command.py).
        own = self.file == self.checkout / f"Pulumi.{self.stack}.yaml"
        named = {} if own else {FILE: str(self.file)}
        return {**os.environ, **named, "PULUMI_SKIP_UPDATE_CHECK": "true"}


def _run(command: Sequence[str], environment: Mapping[str, str], directory: Path, stdin: str | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
        )
    except FileNotFoundError:
        raise DeliveryError(f"There is no {command[0]} on PATH.", _missing(command[0])) from None
    if done.returncode != 0:
        told = f"{done.stderr.strip()}\n{done.stdout.strip()}".strip()
        raise DeliveryError(f"`{' '.join(command)}` exits with {done.returncode}: {told}", "mend what it names")
    return done.stdout


def _missing(command: str) -> str:
    return f'install {command}; on this machine\'s own cluster `eval "$(make -s env)"` brings it'
