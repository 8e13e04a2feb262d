"""What tells Prometheus of the backups' jobs: when each last began, and when it last went well.

It may look at these CronJobs by name, and at nothing else. What runs there is `files/watch.py`; what is concluded from
its numbers is in `monitoring/subjects/postgres.py`. It is not asked how a job failed: the Job and its pod's log say
that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking, rbac

from components import kubernetes
from components.kubernetes import Container, Mount, Namespace, metadata, selector
from components.values import Resources

NAME = "postgres-backups-watch"
PORT = 9480
_SCRIPT = (Path(__file__).parent / "files" / "watch.py").read_text()
_FILES = "/etc/vision-week"


@dataclass(frozen=True, kw_only=True)
class WatchArgs:
    """What it needs.

    jobs: CronJob -> seconds within which it has to go well again. image: one with Python, PostgreSQL's.
    control_plane: addresses of the API server.
    """

    namespace: Namespace
    jobs: Mapping[str, int]
    image: Input[str]
    resources: Resources
    control_plane: Sequence[str]


class Watch(ComponentResource):
    """One pod: while there is none, an alert says so (ServiceMissing)."""

    def __init__(self, name: str, args: WatchArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:backups:Watch", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        config = core.v1.ConfigMap(NAME, metadata=about, data={"watch.py": _SCRIPT}, opts=child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        role = rbac.v1.Role(
            NAME,
            metadata=about,
            rules=[
                rbac.v1.PolicyRuleArgs(
                    api_groups=["batch"], resources=["cronjobs"], verbs=["get"], resource_names=list(args.jobs)
                )
            ],
            opts=child,
        )
        rights = kubernetes.bound(NAME, about, role, account, child)
        api = kubernetes.to_api_server(args.control_plane)
        policy = networking.v1.NetworkPolicy(
            NAME, metadata=about, spec=kubernetes.allow(NAME, egress=[api]), opts=child
        )
        jobs = [f"{job}={seconds}" for job, seconds in args.jobs.items()]
        container = Container(
            name="watch",
            image=args.image,
            command=["python3", f"{_FILES}/watch.py", str(PORT), *jobs],
            resources=args.resources,
            ports={"metrics": PORT},
            mounts=[Mount(volume="files", path=_FILES, read_only=True)],
            readiness=kubernetes.http_probe("/", "metrics", period=5, failures=3),
            liveness=kubernetes.http_probe("/", "metrics", period=30, failures=3),
        )
        apps.v1.Deployment(
            NAME,
            metadata=about,
            spec=apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [container],
                    volumes=[kubernetes.config_files("files", config.metadata.name)],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(_SCRIPT),
                    grace=5,
                    token=True,
                    pool=args.namespace.pool,
                ),
            ),
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, policy, rights]),
        )
        self.register_outputs({})
