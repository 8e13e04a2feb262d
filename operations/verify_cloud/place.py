"""The stack on this machine: a folder with its settings, its state and that state's passphrase; and the three commands
that reach what it has made, `pulumi`, `kubectl` and `gcloud`."""

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from components.google.access import CONTEXT
from components.settings import GatewayEdge, GoogleCluster, Settings
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import CHECKOUT, Target
from operations.preflight import Google, made, token
from operations.problem import Problem
from operations.stacks import settings_of
from operations.verify_cloud import settings
from operations.verify_cloud.settings import NO_ADDRESS, Site
from policies.rules import Resource

_PROVIDER: Final = "pulumi:providers:kubernetes"


def folders() -> Path:
    """Where each stack has its folder."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state, "vision-week", "verify-cloud")


@dataclass(frozen=True)
class Place:
    """target: the stack. google: Google's APIs, as whoever runs this."""

    site: Site
    folder: Path
    target: Target
    google: Google

    @classmethod
    def begun(cls, site: Site, google: Google) -> Self:
        """With settings, and neither a state nor an address yet."""
        folder = folders() / site.name
        folder.mkdir(parents=True, mode=0o700)
        file = folder / f"Pulumi.{site.name}.yaml"
        settings.write(file, settings.overrides(site, NO_ADDRESS))
        return cls._of(site, folder, google)

    @classmethod
    def found(cls, name: str, google: Google) -> Self:
        """One that is there from before."""
        folder = folders() / name
        try:
            site = Site(**json.loads((folder / "site.json").read_text()))
        except OSError:
            there = ", ".join(sorted(each.name for each in folders().glob("verify-*/"))) or "none"
            raise Problem(f"There is no stack {name} in {folders()}: there is {there}.", "name one that is") from None
        return cls._of(site, folder, google)

    @classmethod
    def _of(cls, site: Site, folder: Path, google: Google) -> Self:
        os.environ |= {
            "PULUMI_BACKEND_URL": f"file://{folder / 'pulumi'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "CLOUDSDK_CORE_PROJECT": site.project,
        }
        # In clear it would win over the file's.
        os.environ.pop("PULUMI_CONFIG_PASSPHRASE", None)
        (folder / "site.json").write_text(json.dumps(vars(site)))
        file = folder / f"Pulumi.{site.name}.yaml"
        return cls(site, folder, Target(site.name, file, settings_of(file)), google)

    @property
    def settings(self) -> Settings:
        return self.target.settings

    @property
    def cluster(self) -> GoogleCluster:
        assert isinstance(self.settings.cluster, GoogleCluster)  # noqa: S101  the settings are ours
        return self.settings.cluster

    @property
    def edge(self) -> GatewayEdge:
        assert isinstance(self.settings.edge, GatewayEdge)  # noqa: S101  the settings are ours
        return self.settings.edge

    @cached_property
    def resources(self) -> list[Resource]:
        """What the program makes with these settings, which takes seconds to tell."""
        return made(self.settings)

    @property
    def backups(self) -> str:
        """The bucket of backups (components/google/backups.py)."""
        return f"{self.site.project}-{self.site.name}-backups"

    @property
    def to_remove(self) -> str:
        """The command that removes the stack."""
        return f'make verify-cloud PROJECT={self.site.project} ARGUMENTS="--remove {self.site.name}"'

    def as_now(self) -> Google:
        """Google's APIs by a new token: they are good for an hour."""
        return replace(self.google, token=token())

    def begin(self) -> None:
        """Have a state for it, on this machine alone."""
        (self.folder / "pulumi").mkdir(mode=0o700)
        kept = self.folder / "passphrase"
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(32))
        shutil.copy(CHECKOUT / "Pulumi.yaml", self.folder)
        words = ["stack", "init", self.site.name, "--no-select", "--secrets-provider=passphrase", "--non-interactive"]
        # In this folder, where the salt is written into the stack's own file.
        _run(["pulumi", *words], self.folder)

    def addressed(self, address: str) -> Self:
        """The same with the address that was reserved for it."""
        settings.write(self.target.file, settings.overrides(self.site, address))
        return self.as_written()

    def as_written(self) -> Self:
        """With the settings that its file has now."""
        return replace(self, target=self.target.with_file(self.target.file))

    def reach_cluster(self) -> None:
        """Let `kubectl` in as the program gets in: by what the state says of its provider. Raises `DeliveryError` where
        there is none."""
        state = json.loads(self.target.pulumi("stack", "export"))["deployment"].get("resources", ())
        found = next((each for each in state if each["type"] == _PROVIDER), None)
        if found is None:
            raise DeliveryError(f"{self.site.name} has no cluster.", "see what has failed before", Exit.BROKEN)
        config = json.loads(found["inputs"]["kubeconfig"])
        assert config["current-context"] == CONTEXT  # noqa: S101  the program writes it
        config["current-context"] = config["contexts"][0]["name"] = self.target.context
        kept = self.folder / "kubeconfig"
        kept.touch(mode=0o600)
        kept.write_text(json.dumps(config))

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return self.target.kubectl("--request-timeout=60s", *words, stdin=stdin)

    def objects(self, *words: str) -> list[dict[str, Any]]:
        """What `kubectl get` lists."""
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", *words, "-o", "json"))["items"]
        return items

    def gcloud(self, *words: str) -> Any:
        """What `gcloud` gives, from its JSON; None where it says nothing."""
        told = _run(["gcloud", *words, f"--project={self.site.project}", "--quiet", "--format=json"], self.folder)
        return json.loads(told) if told.strip() else None


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise DeliveryError(f"There is no {command[0]} on PATH.", f"install {command[0]}") from None
    if done.returncode != 0:
        said = f"{done.stderr.strip()}\n{done.stdout.strip()}".strip()
        raise DeliveryError(f"`{' '.join(command)}` fails: {said}", "mend what it names", Exit.BROKEN)
    return done.stdout
