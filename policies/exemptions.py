"""What a stack's settings say to the policy pack: what the stack is for, where images come from, and the exemptions.

They are the settings that the engine hands over, or those in the stack's file when there is no engine that knows them:
`pulumi policy analyze` looks at a state, and the state's URNs name the stack.
"""

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from components.catalogue import CATALOGUE, mirrored, mirrors
from components.configuration import SettingsError, decoded, parse
from components.settings import Exemption, GoogleCluster, Settings
from components.stack_file import NAMESPACE
from policies.rules import Demands, Finding, Resource

CHECKOUT: Final = Path(__file__).resolve().parents[1]
EXPIRED: Final = "exemption-holds"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What holds for one stack."""

    demands: Demands
    exemptions: Sequence[Exemption] = ()


def of_config(config: Mapping[str, str]) -> Stack:
    """From the configuration as the engine has it: every value is text. Raises `SettingsError`."""
    own = {key.partition(":")[2]: value for key, value in config.items() if key.startswith(f"{NAMESPACE}:")}
    return of_settings(parse({key: decoded(key, value) for key, value in own.items()}))


def of_file(stack: str, folder: Path = CHECKOUT) -> Stack | None:
    """From the stack's file; None where there is none, or its settings are not these."""
    file = folder / f"Pulumi.{stack}.yaml"
    try:
        config = yaml.safe_load(file.read_text())["config"]
        return of_settings(
            parse({key.partition(":")[2]: value for key, value in config.items() if key.startswith(f"{NAMESPACE}:")})
        )
    except (OSError, TypeError, KeyError, yaml.YAMLError, SettingsError, ValidationError):
        return None


def of_settings(settings: Settings) -> Stack:
    """What rules ask of a stack's settings."""
    return Stack(
        demands=Demands(
            relied_on=settings.purpose != "workbench",
            registries=(settings.images.registry, *_places(settings, CATALOGUE)),
            unpinned=[*_places(settings, settings.images.allow_unpinned)],
            protect=settings.protect,
        ),
        exemptions=settings.policies.exemptions,
    )


def _places(settings: Settings, names: Iterable[str]) -> Iterator[str]:
    """Where images of the catalogue come from: their own registry, or Artifact Registry's repository for that one."""
    for repository in (CATALOGUE[name].repository for name in names if name in CATALOGUE):
        yield repository
        if isinstance(settings.cluster, GoogleCluster):
            yield mirrored(repository, mirrors(settings.cluster.registry))


# Without settings nothing is excused.
STRICT: Final = Stack(
    demands=Demands(
        relied_on=True, registries=[image.repository for image in CATALOGUE.values()], unpinned=(), protect=True
    )
)


def exempted(rule: str, resource: str, exemptions: Sequence[Exemption], today: datetime.date) -> bool:
    """Whether somebody answers for this, and still does."""
    return any((one.rule, one.resource) == (rule, resource) and today <= _last_day(one) for one in exemptions)


def lapsed(
    resources: Sequence[Resource], exemptions: Sequence[Exemption], rules: Collection[str], today: datetime.date
) -> Iterator[Finding]:
    """Exemptions that no longer hold, or never did: past their day, of no rule, or of no resource."""
    names = {resource.name for resource in resources}
    for one in exemptions:
        about = f"the exemption of {one.resource} from {one.rule}, for which {one.owner} answers,"
        if today > _last_day(one):
            yield Finding(message=f"{about} ended on {one.expires}")
        if one.rule not in rules:
            yield Finding(message=f"{about} is from no rule of the pack")
        if one.resource not in names:
            yield Finding(message=f"{about} is of no resource of the stack")


def _last_day(exemption: Exemption) -> datetime.date:
    try:
        return datetime.date.fromisoformat(exemption.expires)
    except ValueError:  # the 30th of February never comes
        return datetime.date.min


def stack_of(urn: str) -> Any:
    """`production` of `urn:pulumi:production::vision-week::…`."""
    return urn.split("::", 1)[0].rpartition(":")[2]
