"""The resources that a stack's program asks for, without an engine, a cluster or a project: it runs on Pulumi's mocks.

What only those have who run the stack, digests of other people's images and addresses of web hooks, is made up: neither
changes what anything costs.
"""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from components.catalogue import CATALOGUE
from components.google.access import PLUGIN
from components.platform import Platform
from components.settings import Settings
from policies.rules import Resource


class _Recorder(Mocks):
    """Nothing is there yet: whatever a provider would compute stays unknown, as in a first preview."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.resources.append(Resource(urn=args.name, type=args.typ, name=args.name, props=args.inputs))
        return None, args.inputs

    def call(self, _args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return {"sha256Digest": f"sha256:{'0' * 64}"}, []


def resources_of(settings: Settings) -> list[Resource]:
    """What the program would make with these settings."""
    recorder = _Recorder()
    pulumi.runtime.set_mocks(recorder, project="vision-week", stack="cost", preview=True)
    wrap: Any = pulumi.runtime.test
    gc.disable()  # what the libraries have loaded would be searched several times, for half of the seconds
    try:
        with _login():
            wrap(lambda: Platform(_complete(settings)))()
    finally:
        gc.enable()
    return recorder.resources


def _complete(settings: Settings) -> Settings:
    monitoring = settings.monitoring
    webhooks = {each.secret: f"https://hooks.example/{each.secret}" for each in monitoring.receivers}
    images = settings.images.model_copy(update={"allow_unpinned": tuple(CATALOGUE)})
    return settings.model_copy(update={"images": images, "webhooks": webhooks})


@contextmanager
def _login() -> Iterator[None]:
    """The command that logs in to a cluster of Google's, which the program looks for and doesn't run here."""
    if shutil.which(PLUGIN):
        yield
        return
    before = os.environ.get("PATH", "")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, PLUGIN).touch(mode=0o755)
        os.environ["PATH"] = os.pathsep.join([folder, before])
        try:
            yield
        finally:
            os.environ["PATH"] = before
