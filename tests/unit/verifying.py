"""A place whose commands have answers, for claims to be looked at: what Google would say is simulated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.settings import Settings
from operations.preflight import Google
from operations.stacks import settings_of
from operations.verify_cloud import run
from operations.verify_cloud.claim import Claim
from operations.verify_cloud.claims import CLAIMS
from operations.verify_cloud.report import Verdict
from operations.verify_cloud.settings import NO_ADDRESS, Site, overrides, write

SITE = Site(name="verify-0000002a", project="an-empty-project", number=100000000042, region="europe-west1")


def settings(folder: Path) -> Settings:
    """Of the stack that is made to verify."""
    file = folder / f"Pulumi.{SITE.name}.yaml"
    write(file, overrides(SITE, NO_ADDRESS))
    return settings_of(file)


@dataclass
class Answering:
    """said: the first words of a command -> what it gives, or raises. google: where its APIs are."""

    settings: Settings
    said: Mapping[str, Any] = field(default_factory=dict)
    google: str = "http://127.0.0.1:1"
    site: Site = SITE
    backups: str = "an-empty-project-verify-0000002a-backups"

    @property
    def cluster(self) -> Any:
        return self.settings.cluster

    @property
    def edge(self) -> Any:
        return self.settings.edge

    def as_now(self) -> Google:
        return Google("a-token", lambda _api: self.google)

    def gcloud(self, *words: str) -> Any:
        line = " ".join(words)
        found = next((told for start, told in self.said.items() if line.startswith(start)), None)
        if isinstance(found, Exception):
            raise found
        return found

    def objects(self, *words: str) -> Any:
        return self.gcloud("get", *words)


def named(what: str) -> Claim:
    """The one claim that has these words."""
    (found,) = [each for each in CLAIMS if what in each.what]
    return found


def judged(what: str, place: Any) -> tuple[Verdict, str]:
    """What is said of a claim there, at the first look."""
    claim = named(what)
    found = Claim(claim.what, claim.told, claim.needs, claim.look).judged(place, run.ALL)
    return found.verdict, found.seen
