"""What components are given in their own tests."""

from typing import Any

from pulumi import Output

from components.configuration import parse
from components.kubernetes import Endpoint, Namespace
from components.settings import Settings

LEAST: dict[str, Any] = {
    "purpose": "workbench",
    "release": "v1",
    "cluster": "kind-kind",
    "images": {"registry": "europe-west1-docker.pkg.dev/a-project/vision-week"},
    "edge": {"flavour": "nginx", "url": "https://vision-week.example"},
}


def settings(**changes: Any) -> Settings:
    """The defaults, with some keys changed."""
    return parse({**LEAST, **changes})


def namespace(name: str) -> Namespace:
    return Namespace(name=Output.from_input(name), guards=[])


def endpoint(service: str, area: str, port: int) -> Endpoint:
    return Endpoint(host=Output.from_input(f"{service}.{area}.svc.cluster.local"), port=port)
