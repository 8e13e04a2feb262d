"""What the pods run: our images, built and pushed, and other people's, from the catalogue. Everything by digest.

A pod never names one of our tags: a tag can be pushed again, and two nodes would run two programs. Other people's
images without a known digest are refused, unless the stack allows each by name.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi_docker_build as docker_build
from pulumi import ComponentResource, Output, Resource, ResourceOptions, RunError

from components.catalogue import CATALOGUE, mirrored


@dataclass(frozen=True, kw_only=True)
class Build:
    """How one of our images is made.

    dockerfile, context: relative to the program, so that the same checkout elsewhere is the same image.
    target: stage of the Dockerfile; None for the last. arguments: its build arguments.
    instead: stage -> a folder, or a Git address with a commit, that takes its place.
    """

    dockerfile: str
    context: str
    target: str | None = None
    arguments: Mapping[str, str] | None = None
    instead: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class ImagesArgs:
    """Which images.

    registry: prefix of our names. release: their tag.
    app_target: stage of the application's Dockerfile. flutter: the version that builds its front end.
    source: the application's source tree in place of the reference application; None for that.
    document_root: the folder of it that nginx serves.
    allow_unpinned: names in the catalogue that may run without a digest.
    fixed: name -> what runs in place of the image of this name.
    mirrors: host of somebody's registry -> what stands in its place.
    ready: what must be there before anything is pushed.
    """

    registry: str
    release: str
    app_target: str
    flutter: str
    source: str | None
    document_root: str
    allow_unpinned: Collection[str]
    fixed: Mapping[str, str]
    mirrors: Mapping[str, str] = field(default_factory=dict)
    ready: Sequence[Resource] = ()


class Images(ComponentResource):
    """References that pods can use."""

    alertmanager: str
    app: Output[str]
    websocket: Output[str]
    postgres: Output[str]
    grafana: str
    nginx: str
    prometheus: str
    redis: str
    redis_exporter: str
    haproxy: str

    def __init__(self, name: str, args: ImagesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:images:Images", name, None, opts)
        self._args = args
        self.app = self._built(
            "app",
            Build(
                dockerfile="images/app/Dockerfile",
                context=".",
                target=args.app_target,
                arguments={"DOCUMENT_ROOT": args.document_root, "FLUTTER_VERSION": args.flutter},
                instead={"application": args.source} if args.source else None,
            ),
        )
        self.websocket = self._built(
            "websocket", Build(dockerfile="images/websocket/Dockerfile", context="images/websocket")
        )
        self.postgres = self._built(
            "postgres", Build(dockerfile="images/postgres/Dockerfile", context="images/postgres")
        )
        self.alertmanager = self._published("alertmanager")
        self.grafana = self._published("grafana")
        self.haproxy = self._published("haproxy")
        self.nginx = self._published("nginx")
        self.prometheus = self._published("prometheus")
        self.redis = self._published("redis")
        self.redis_exporter = self._published("redis-exporter")
        self.register_outputs({"app": self.app, "websocket": self.websocket, "postgres": self.postgres})

    def _published(self, name: str) -> str:
        return self._args.fixed.get(name) or published(name, self._args.allow_unpinned, self._args.mirrors)

    def _built(self, name: str, build: Build) -> Output[str]:
        if name in self._args.fixed:
            return Output.from_input(self._args.fixed[name])
        repository = f"{self._args.registry}/{name}"
        image = docker_build.Image(
            name,
            context=docker_build.BuildContextArgs(
                location=build.context,
                named={
                    stage: docker_build.ContextArgs(location=place) for stage, place in (build.instead or {}).items()
                }
                or None,
            ),
            dockerfile=docker_build.DockerfileArgs(location=build.dockerfile),
            target=build.target,
            build_args=build.arguments,
            tags=[f"{repository}:{self._args.release}"],
            push=True,
            # A preview says what would change; it doesn't take the minutes that building does.
            build_on_preview=False,
            opts=ResourceOptions(parent=self, depends_on=self._args.ready),
        )
        return Output.format("{0}@{1}", repository, image.digest)


def published(name: str, allow_unpinned: Collection[str], mirrors: Mapping[str, str]) -> str:
    """The reference of an image of the catalogue, by what stands in its registry's place."""
    image = CATALOGUE[name]
    if image.digest is None and name not in allow_unpinned:
        raise RunError(
            f"{image.reference} has no digest in components/catalogue.py: record the one that its registry gives, "
            f"or allow it unpinned for this stack with vision-week:images.allow_unpinned[{name}]"
        )
    return mirrored(image.reference, mirrors)
