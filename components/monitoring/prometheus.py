"""Prometheus: collects numbers from every pod that has any, keeps them, and watches over them by rules.

Each of several asks all targets and keeps everything by itself: when one is lost, the other has seen the same. A policy
of each workload admits it to the port with the numbers; all else stays shut to it. Grafana alone is admitted to
Prometheus itself; people come by `kubectl port-forward`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import kubernetes
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.monitoring import rules, scraping, subjects
from components.monitoring.scraping import Target
from components.scaling import disruption_budget
from components.settings import Monitoring
from components.values import mebibytes

NAME = "prometheus"
PORT = 9090
_DATA = "/prometheus"
_FILES = "/etc/prometheus"


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    """What Prometheus needs.

    namespace: its own. targets: what it asks, itself not among them. alerted: the job of them that alerts go to.
    settings: how many of it, how much is kept, thresholds. image: of Prometheus. storage_class: of its volumes.
    archived: seconds within which PostgreSQL's log must be with its backups; None without backups.
    readers: pods that may ask it. authority: PEM of who signed the certificates of targets.
    protect: what it has kept is not removed before this is taken away.
    """

    namespace: Namespace
    targets: Sequence[Target]
    alerted: str
    archived: int | None
    authority: Input[str]
    readers: Sequence[networking.v1.NetworkPolicyPeerArgs]
    settings: Monitoring
    image: Input[str]
    storage_class: Input[str]
    protect: bool


class Prometheus(ComponentResource):
    """Prometheus, and what lets it look."""

    endpoint: Endpoint

    def __init__(self, name: str, args: PrometheusArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:Prometheus", name, None, opts)
        self._args = args
        self._child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        targets = [*args.targets, Target(job=NAME, namespace=args.namespace, service=NAME, port=PORT)]
        files: dict[str, Input[str]] = {
            "prometheus.yml": Output.all(*(each.namespace.name for each in targets)).apply(
                lambda names: scraping.configuration(targets, names, args.alerted)
            ),
            "rules.yml": _rules(args),
            "authority.pem": args.authority,
        }
        config = core.v1.ConfigMap(NAME, metadata=about, data=files, opts=self._child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=self._child)
        by_name = {each.name: [other for other in targets if other.name == each.name] for each in targets}
        policy = networking.v1.NetworkPolicy(
            NAME, metadata=about, spec=self._connections(list(by_name.values())), opts=self._child
        )
        services = {same: self._found(these[0]) for same, these in by_name.items()}
        for these in by_name.values():
            self._admitted(these)
        apps.v1.StatefulSet(
            NAME,
            metadata=about,
            spec=apps.v1.StatefulSetSpecArgs(
                replicas=args.settings.replicas,
                service_name=services[f"{NAME}-metrics"].metadata.name,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [self._container()],
                    volumes=[kubernetes.config_files("config", config.metadata.name)],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files),
                    # To write what is in memory to disk.
                    grace=60,
                ),
                volume_claim_templates=[kubernetes.data_claim(NAME, args.storage_class, args.settings.metrics_size)],
            ),
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                # No pod starts without its policies.
                depends_on=[*args.namespace.guards, policy],
            ),
        )
        if args.settings.replicas > 1:
            PodDisruptionBudget(NAME, metadata=about, spec=disruption_budget(NAME, 1), opts=self._child)
        service = core.v1.Service(
            NAME,
            metadata=about,
            spec=core.v1.ServiceSpecArgs(
                selector=selector(NAME),
                # Each has asked at moments of its own: lines would jump between the two.
                session_affinity="ClientIP",
                ports=[core.v1.ServicePortArgs(name="metrics", port=PORT, target_port="metrics")],
            ),
            opts=self._child,
        )
        self.endpoint = Endpoint(host=kubernetes.host_of(service), port=PORT)
        self.register_outputs({"host": self.endpoint.host})

    def _found(self, target: Target) -> core.v1.Service:
        """The pods' addresses under one name."""
        return core.v1.Service(
            target.name,
            # It comes before or after its pods, as it happens, and leads nobody but Prometheus.
            metadata=metadata(
                target.name,
                target.namespace.name,
                app=target.service,
                annotations={"pulumi.com/skipAwait": "true"},
            ),
            spec=core.v1.ServiceSpecArgs(
                cluster_ip="None",
                publish_not_ready_addresses=True,
                selector=selector(target.service),
                ports=[core.v1.ServicePortArgs(name="metrics", port=target.port, target_port=target.port)],
            ),
            opts=self._child,
        )

    def _admitted(self, targets: Sequence[Target]) -> None:
        """The pods of one workload admit Prometheus where they have numbers, and nowhere else."""
        first = targets[0]
        networking.v1.NetworkPolicy(
            first.name,
            metadata=metadata(first.name, first.namespace.name, app=first.service),
            spec=networking.v1.NetworkPolicySpecArgs(
                pod_selector=meta.v1.LabelSelectorArgs(match_labels=selector(first.service)),
                policy_types=["Ingress"],
                ingress=[
                    kubernetes.from_([kubernetes.pods_of(self._args.namespace.name, NAME)], *_ports(targets)),
                ],
            ),
            opts=self._child,
        )

    def _connections(self, targets: Sequence[Sequence[Target]]) -> networking.v1.NetworkPolicySpecArgs:
        """To every pod that has numbers, and from those who may ask."""
        return kubernetes.allow(
            NAME,
            ingress=[kubernetes.from_(self._args.readers, PORT)] if self._args.readers else [],
            egress=[
                kubernetes.to([kubernetes.pods_of(these[0].namespace.name, these[0].service)], *_ports(these))
                for these in targets
            ],
        )

    def _container(self) -> Container:
        settings = self._args.settings
        return Container(
            name=NAME,
            image=self._args.image,
            command=[
                "/bin/prometheus",
                f"--config.file={_FILES}/prometheus.yml",
                f"--storage.tsdb.path={_DATA}",
                f"--storage.tsdb.retention.time={settings.metrics_days}d",
                # The rest is for what is being written: a volume that is full takes nothing in any more.
                f"--storage.tsdb.retention.size={mebibytes(settings.metrics_size) * 8 // 10}MB",
                f"--web.listen-address=:{PORT}",
                # Beside a number the trace of a request that made it.
                *(["--enable-feature=exemplar-storage"] if settings.traces.enabled else []),
            ],
            # Tidies up before the limit rather than being killed at it.
            env={"GOMEMLIMIT": f"{mebibytes(settings.prometheus_resources.memory) * 9 // 10}MiB"},
            resources=settings.prometheus_resources,
            ports={"metrics": PORT},
            mounts=[Mount(volume="config", path=_FILES, read_only=True), Mount(volume="data", path=_DATA)],
            readiness=kubernetes.http_probe("/-/ready", "metrics", period=5, failures=3),
            liveness=kubernetes.http_probe("/-/healthy", "metrics", period=10, failures=6),
            # What was not yet in blocks is read again: minutes after a crash.
            startup=kubernetes.http_probe("/-/ready", "metrics", period=2, failures=300),
        )


def _rules(args: PrometheusArgs) -> str:
    thresholds, services = args.settings.alerts, sorted({each.service for each in args.targets})
    return rules.render(subjects.records(thresholds), subjects.alerts(thresholds, services, args.archived))


def _ports(targets: Iterable[Target]) -> list[int]:
    return sorted({each.port for each in targets})
