"""What the pods run: our images, built or promoted, and other people's, from the catalogue. Everything by digest.

A pod never names one of our tags: a tag can be pushed again, and two nodes would run two programs. Other people's
images without a known digest are refused, unless the stack allows each by name.

A stack that promotes can't build: it looks up what another stack has built as the same release, and has it copied, bit
by bit, into the registry that its nodes pull from (DECISIONS: promotion).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi_docker as docker
import pulumi_docker_build as docker_build
from pulumi import ComponentResource, InvokeOutputOptions, Output, Resource, ResourceOptions, RunError

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
    promoted_from: prefix of the names that they were built under; None, and they are built here.
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
    promoted_from: str | None
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
    blackbox_exporter: str
    collector: str
    grafana: str
    jaeger: str
    kube_state_metrics: str
    loki: str
    nginx: str
    nginx_exporter: str
    node_exporter: str
    prometheus: str
    redis: str
    redis_exporter: str
    haproxy: str

    def __init__(self, name: str, args: ImagesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:images:Images", name, None, opts)
        self._args = args
        # Told no more than the registry's name, it takes the credentials that the Docker client has for it.
        self._reader = (
            docker.Provider(
                "registry",
                registry_auth=[docker.ProviderRegistryAuthArgs(address=args.promoted_from.partition("/")[0])],
                opts=ResourceOptions(parent=self),
            )
            if args.promoted_from
            else None
        )
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
        self.blackbox_exporter = self._published("blackbox-exporter")
        self.collector = self._published("collector")
        self.grafana = self._published("grafana")
        self.jaeger = self._published("jaeger")
        self.kube_state_metrics = self._published("kube-state-metrics")
        self.haproxy = self._published("haproxy")
        self.loki = self._published("loki")
        self.nginx = self._published("nginx")
        self.nginx_exporter = self._published("nginx-exporter")
        self.node_exporter = self._published("node-exporter")
        self.prometheus = self._published("prometheus")
        self.redis = self._published("redis")
        self.redis_exporter = self._published("redis-exporter")
        self.register_outputs({"app": self.app, "websocket": self.websocket, "postgres": self.postgres})

    def _published(self, name: str) -> str:
        return self._args.fixed.get(name) or published(name, self._args.allow_unpinned, self._args.mirrors)

    def _built(self, name: str, build: Build) -> Output[str]:
        if name in self._args.fixed:
            return Output.from_input(self._args.fixed[name])
        if self._args.promoted_from:
            return self._promoted(name, self._args.promoted_from)
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

    def _promoted(self, name: str, source: str) -> Output[str]:
        staged, repository, release = f"{source}/{name}", f"{self._args.registry}/{name}", self._args.release
        found = docker.get_registry_image_output(
            name=f"{staged}:{release}", opts=InvokeOutputOptions(parent=self, provider=self._reader)
        )
        if staged == repository:
            return Output.format("{0}@{1}", repository, found.sha256_digest)
        # An index of one index is that index, of one image it names it: either way the digest is there, as it was.
        copy = docker_build.Index(
            name,
            tag=f"{repository}:{release}",
            sources=[Output.format("{0}@{1}", staged, found.sha256_digest)],
            # A roll-back runs what was promoted before: it must stay in the registry.
            opts=ResourceOptions(parent=self, depends_on=self._args.ready, retain_on_delete=True),
        )
        # By its URN, which a preview knows: what will run is shown, and nothing runs before it is copied.
        return Output.format("{0}@{1}", repository, Output.all(found.sha256_digest, copy.urn)[0])


def published(name: str, allow_unpinned: Collection[str], mirrors: Mapping[str, str]) -> str:
    """The reference of an image of the catalogue, by what stands in its registry's place."""
    image = CATALOGUE[name]
    if image.digest is None and name not in allow_unpinned:
        raise RunError(
            f"{image.reference} has no digest in components/digests.json: record the one that its registry gives by "
            f"`make pin-images`, or allow it unpinned for this stack with vision-week:images.allow_unpinned[{name}]"
        )
    return mirrored(image.reference, mirrors)
