"""The three stacks, as far as the program can build them.

Staging and production ask for some parts that the program refuses in words until it has them. Until then they are
looked at without: each replacement is listed, and is made only where the program refuses the stack without it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.unit.recording import stack_config

STACKS = ("development", "staging", "production")
# Names that the cluster brings: its DNS, a controller of Ingresses, its classes of volumes that many pods may mount.
OF_THE_CLUSTER = frozenset({"kube-system", "ingress-controller", "shared"})

WEBHOOKS = {name: f"https://hooks.example/{name}" for name in ("alerts-on-call", "alerts-platform-team", "heartbeat")}

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Replacement:
    """Something that a stack asks for and the program can't do yet.

    said: for the reader of an inventory. applies: to this stack. replace: the key's value by one that can be built.
    """

    said: str
    key: str
    applies: Callable[[Config], bool]
    replace: Callable[[Any], Any]


REPLACEMENTS = (
    Replacement(
        "purpose: workbench, because what a live stack demands is not all built yet",
        "vision-week:purpose",
        lambda config: config.get("vision-week:purpose", "live") == "live",
        lambda _: "workbench",
    ),
    Replacement(
        "postgres.backups.copy_to: left out, because no copy is made yet",
        "vision-week:postgres",
        lambda config: "copy_to" in config.get("vision-week:postgres", {}).get("backups", {}),
        lambda postgres: {
            **postgres,
            "backups": {key: value for key, value in postgres["backups"].items() if key != "copy_to"},
        },
    ),
    Replacement(
        "monitoring: without traces, because they are not built yet",
        "vision-week:monitoring",
        lambda config: config.get("vision-week:monitoring", {}).get("traces") is not False,
        lambda monitoring: {**(monitoring or {}), "traces": False},
    ),
    Replacement(
        "webhooks: an example's, because the addresses are secrets of those who run the stack",
        "vision-week:webhooks",
        lambda config: "receivers" in config.get("vision-week:monitoring", {}),
        lambda _: dict(WEBHOOKS),
    ),
    Replacement(
        "images.allow_unpinned: all, because the catalogue has no digests yet",
        "vision-week:images",
        lambda config: config["vision-week:images"].get("allow_unpinned") != "all",
        lambda images: {**images, "allow_unpinned": "all"},
    ),
)


def replaced(stack: str) -> Iterator[Replacement]:
    """What has to be replaced in a stack before the program builds it."""
    config = stack_config(stack)
    return (one for one in REPLACEMENTS if one.applies(config))


def buildable(stack: str, *, but: Replacement | None = None) -> dict[str, Any]:
    """The configuration of a stack with its replacements, one of them left out where asked."""
    config = stack_config(stack)
    for one in replaced(stack):
        if one is not but:
            config[one.key] = one.replace(config.get(one.key))
    return config
