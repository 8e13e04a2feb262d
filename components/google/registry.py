"""Artifact Registry: our own images, and other people's as they pass through.

A tag of ours never leads to another image than it did. Other people's come through a repository of ours for each
registry of the catalogue: what has run once can be pulled again when that registry is away, and nothing else may run
here (`admission`). Both are scanned for known vulnerabilities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Resource, ResourceOptions
from pulumi_gcp import artifactregistry

from components.catalogue import REGISTRIES, repository_of
from components.google.keys import Key

_DAY = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """What the registry needs.

    repository: for our images. key: what images are encrypted with.
    after: what must be there before. labels: for the bill.
    """

    region: str
    repository: str
    key: Key
    protect: bool
    after: Sequence[Resource]
    labels: Mapping[str, str]


class Registry(ComponentResource):
    """The registry.

    repositories: all of them.
    """

    repositories: Sequence[artifactregistry.Repository]

    def __init__(self, name: str, args: RegistryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Registry", name, None, opts)
        first = [*args.after, *args.key.usable]
        ours = artifactregistry.Repository(
            "ours",
            repository_id=args.repository,
            location=args.region,
            format="DOCKER",
            description="Our images, by release",
            docker_config=artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True),
            vulnerability_scanning_config=_scanned(),
            kms_key_name=args.key.id,
            cleanup_policies=[
                artifactregistry.RepositoryCleanupPolicyArgs(
                    id="releases",
                    action="KEEP",
                    condition=artifactregistry.RepositoryCleanupPolicyConditionArgs(tag_state="TAGGED"),
                ),
                _removed_after(30, "UNTAGGED"),
            ],
            cleanup_policy_dry_run=False,
            labels=args.labels,
            # Without the images of former releases there is no way back to one.
            opts=ResourceOptions(parent=self, depends_on=first, protect=args.protect),
        )
        others = [
            artifactregistry.Repository(
                repository_of(host),
                repository_id=repository_of(host),
                location=args.region,
                format="DOCKER",
                mode="REMOTE_REPOSITORY",
                description=f"What was pulled from {host}",
                remote_repository_config=artifactregistry.RepositoryRemoteRepositoryConfigArgs(
                    description=host, docker_repository=_upstream(host)
                ),
                vulnerability_scanning_config=_scanned(),
                kms_key_name=args.key.id,
                # It is pulled anew when it is asked for.
                cleanup_policies=[_removed_after(180, "ANY")],
                cleanup_policy_dry_run=False,
                labels=args.labels,
                opts=ResourceOptions(parent=self, depends_on=first),
            )
            for host in REGISTRIES
        ]
        self.repositories = [ours, *others]
        self.register_outputs({})


def _upstream(host: str) -> artifactregistry.RepositoryRemoteRepositoryConfigDockerRepositoryArgs:
    if host == "docker.io":
        return artifactregistry.RepositoryRemoteRepositoryConfigDockerRepositoryArgs(public_repository="DOCKER_HUB")
    return artifactregistry.RepositoryRemoteRepositoryConfigDockerRepositoryArgs(
        custom_repository=artifactregistry.RepositoryRemoteRepositoryConfigDockerRepositoryCustomRepositoryArgs(
            uri=f"https://{host}"
        )
    )


def _scanned() -> artifactregistry.RepositoryVulnerabilityScanningConfigArgs:
    return artifactregistry.RepositoryVulnerabilityScanningConfigArgs(enablement_config="INHERITED")


def _removed_after(days: int, tags: str) -> artifactregistry.RepositoryCleanupPolicyArgs:
    return artifactregistry.RepositoryCleanupPolicyArgs(
        id="old",
        action="DELETE",
        condition=artifactregistry.RepositoryCleanupPolicyConditionArgs(tag_state=tags, older_than=f"{days * _DAY}s"),
    )
