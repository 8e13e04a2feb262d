"""Alertmanager: tells people of alerts, once, by a web hook of each receiver.

Every Prometheus tells every Alertmanager of all that it raises; they agree among themselves who tells whom, so that one
that is lost costs no alert and none comes twice. Addresses of web hooks are secrets: they and the routes are one file
in a Secret. The alert `Watchdog` is always raised, for a receiver outside that sounds the alarm when it hears no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlsplit

import yaml
from pulumi import ComponentResource, Input, Output, ResourceOptions, RunError
from pulumi_kubernetes import apps, core, meta, networking
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components import kubernetes
from components.certificates import Authority, ServerCertificate, ServerCertificateArgs
from components.kubernetes import DOMAIN, Container, Mount, Namespace, metadata, selector
from components.scaling import disruption_budget
from components.settings import Monitoring, Receiver
from components.settings.monitoring import Severity
from components.stack_file import NAMESPACE

NAME = "alertmanager"
_MEMBERS = f"{NAME}-members"
PORT = 9093
# Where they agree with each other.
_GOSSIP = 9094
_FILES = "/etc/alertmanager"
_DATA = "/alertmanager"
# Silences and what has been told: kilobytes. Google's regional SSD disks begin here.
_SIZE = "10Gi"
# Of those who listen for nothing: without a receiver an alert is on the pages alone.
_NOBODY = "nobody"
# How long others of its kind are waited for, how soon new ones are told of, and how often what lasts is repeated.
_PACE: Mapping[Severity, tuple[str, str, str]] = {
    "critical": ("10s", "1m", "1h"),
    "warning": ("1m", "5m", "12h"),
    "heartbeat": ("0s", "1m", "1m"),
}
# What alerts of one name tell things apart by: a volume that is full says nothing of another that nearly is.
_THINGS = ("instance", "mountpoint", "persistentvolumeclaim", "url")
# What hides what: the cause what follows from it, and the worse the lesser of one kind, of the same thing. What neither
# has for a label is the same.
_HIDING = (
    ('severity="critical"', 'severity="warning"', ("alertname", "namespace", "service", *_THINGS)),
    ('alertname="DatabaseWithoutPrimary"', 'alertname=~"DatabaseFailedOver|ReplicaBehind"', ("namespace",)),
)


@dataclass(frozen=True, kw_only=True)
class AlertmanagerArgs:
    """What Alertmanager needs.

    namespace: its own. settings: how many of it, and the receivers. webhooks: the receivers' `secret` -> its address.
    authority: signs what it shows to Prometheus and to its like. image: of Alertmanager.
    storage_class: of its volumes. protect: what it knows is not removed before this is taken away.
    """

    namespace: Namespace
    settings: Monitoring
    webhooks: Mapping[str, str]
    authority: Authority
    image: Input[str]
    storage_class: Input[str]
    protect: bool


class Alertmanager(ComponentResource):
    """Alertmanager, which Prometheus finds as one of its targets."""

    def __init__(self, name: str, args: AlertmanagerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:monitoring:Alertmanager", name, None, opts)
        self._args = args
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        certificate = ServerCertificate(
            NAME, ServerCertificateArgs(authority=args.authority, hosts=[NAME], mutual=True), opts=child
        )
        receivers = args.settings.receivers
        addresses = _addresses(receivers, args.webhooks)
        files: dict[str, Input[str]] = {
            "alertmanager.yml": Output.secret(configuration(receivers, addresses)),
            "web.yml": yaml.safe_dump({"tls_server_config": _SHOWN}),
            "gossip.yml": yaml.safe_dump(GOSSIP_TLS),
            "tls.crt": certificate.certificate,
            "tls.key": certificate.key,
            "ca.crt": args.authority.certificate,
            **{_authority_file(each): each.authority for each in receivers if each.authority},
        }
        secret = core.v1.Secret(NAME, metadata=about, string_data=files, opts=child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        policy = networking.v1.NetworkPolicy(
            NAME, metadata=about, spec=self._connections(list(addresses.values())), opts=child
        )
        several = args.settings.replicas > 1
        together = core.v1.Service(
            _MEMBERS,
            # It comes before its pods, which find each other by it before they are ready.
            metadata=metadata(_MEMBERS, args.namespace.name, app=NAME, annotations={"pulumi.com/skipAwait": "true"}),
            spec=core.v1.ServiceSpecArgs(
                cluster_ip="None",
                publish_not_ready_addresses=True,
                selector=selector(NAME),
                ports=[
                    core.v1.ServicePortArgs(name=port, port=number, target_port=number)
                    for port, number in _ports(several=several).items()
                ],
            ),
            opts=child,
        )
        apps.v1.StatefulSet(
            NAME,
            metadata=about,
            spec=apps.v1.StatefulSetSpecArgs(
                replicas=args.settings.replicas,
                service_name=together.metadata.name,
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [self._container()],
                    volumes=[kubernetes.secret_files("config", secret.metadata.name)],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files),
                    # To tell the others what it knows.
                    grace=30,
                ),
                volume_claim_templates=[kubernetes.data_claim(NAME, args.storage_class, _SIZE)],
            ),
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                # No pod starts without its policies.
                depends_on=[*args.namespace.guards, policy],
            ),
        )
        if several:
            PodDisruptionBudget(NAME, metadata=about, spec=disruption_budget(NAME, 1), opts=child)
        self.register_outputs({})

    def _connections(self, addresses: Sequence[str]) -> networking.v1.NetworkPolicySpecArgs:
        """To each other; and to the receivers, which are outside and whose addresses nobody knows in advance."""
        ports = sorted({urlsplit(address).port or 443 for address in addresses})
        others = [kubernetes.to([kubernetes.addresses("0.0.0.0/0")], *ports)] if ports else []
        if self._args.settings.replicas == 1:
            return kubernetes.allow(NAME, egress=others)
        own = [kubernetes.pods_of(self._args.namespace.name, NAME)]
        return kubernetes.allow(
            NAME, ingress=[kubernetes.from_(own, _GOSSIP)], egress=[kubernetes.to(own, _GOSSIP), *others]
        )

    def _container(self) -> Container:
        settings = self._args.settings
        several = settings.replicas > 1
        members = [
            Output.format(
                f"--cluster.peer={NAME}-{number}.{_MEMBERS}.{{0}}.svc.{DOMAIN}:{_GOSSIP}", self._args.namespace.name
            )
            for number in range(settings.replicas)
        ]
        together = [
            # Under certificates it takes no address without a host.
            f"--cluster.listen-address=0.0.0.0:{_GOSSIP}",
            f"--cluster.advertise-address=$(POD_ADDRESS):{_GOSSIP}",
            f"--cluster.tls-config={_FILES}/gossip.yml",
            *members,
        ]
        return Container(
            name=NAME,
            image=self._args.image,
            command=[
                "/bin/alertmanager",
                f"--config.file={_FILES}/alertmanager.yml",
                f"--storage.path={_DATA}",
                f"--web.listen-address=:{PORT}",
                f"--web.config.file={_FILES}/web.yml",
                *(together if several else ["--cluster.listen-address="]),
            ],
            env={"POD_ADDRESS": kubernetes.pod_field("status.podIP")},
            resources=settings.alertmanager_resources,
            ports=_ports(several=several),
            mounts=[Mount(volume="config", path=_FILES, read_only=True), Mount(volume="data", path=_DATA)],
            readiness=kubernetes.http_probe("/-/ready", "alerts", period=5, failures=3, scheme="HTTPS"),
            liveness=kubernetes.http_probe("/-/healthy", "alerts", period=10, failures=6, scheme="HTTPS"),
        )


# The certificate, and that its like must show one of the same authority.
_SHOWN = {"cert_file": f"{_FILES}/tls.crt", "key_file": f"{_FILES}/tls.key"}
GOSSIP_TLS = {
    "tls_server_config": {
        **_SHOWN,
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": f"{_FILES}/ca.crt",
    },
    "tls_client_config": {**_SHOWN, "ca_file": f"{_FILES}/ca.crt", "server_name": NAME},
}


def _ports(*, several: bool) -> dict[str, int]:
    return {"alerts": PORT, **({"gossip": _GOSSIP} if several else {})}


def configuration(receivers: Sequence[Receiver], addresses: Mapping[str, str]) -> str:
    """Alertmanager's own configuration; `addresses` are the receivers', by their names."""
    return yaml.safe_dump(
        {
            "route": {
                "receiver": _NOBODY,
                # One message for all pods of a service that have the same.
                "group_by": ["alertname", "namespace", "service"],
                "routes": [
                    _route(receiver, severity)
                    for receiver in receivers
                    for severity in get_args(Severity)
                    if severity in receiver.severities
                ],
            },
            "inhibit_rules": [
                {"source_matchers": [source], "target_matchers": [target], "equal": list(equal)}
                for source, target, equal in _HIDING
            ],
            "receivers": [{"name": _NOBODY}, *(_receiver(each, addresses[each.name]) for each in receivers)],
        },
        sort_keys=False,
        width=1000,
    )


def _route(receiver: Receiver, severity: Severity) -> dict[str, Any]:
    wait, interval, repeat = _PACE[severity]
    return {
        "receiver": receiver.name,
        "matchers": [f'severity="{severity}"', f'team=~"{"|".join(receiver.teams)}"'],
        # Others may want to know, too.
        "continue": True,
        "group_wait": wait,
        "group_interval": interval,
        "repeat_interval": repeat,
    }


def _receiver(receiver: Receiver, address: str) -> dict[str, Any]:
    tls = {"tls_config": {"ca_file": f"{_FILES}/{_authority_file(receiver)}"}} if receiver.authority else {}
    hook = {"url": address, **({"http_config": tls} if tls else {})}
    return {"name": receiver.name, "webhook_configs": [hook]}


def _authority_file(receiver: Receiver) -> str:
    return f"{receiver.name}.pem"


def _addresses(receivers: Sequence[Receiver], webhooks: Mapping[str, str]) -> dict[str, str]:
    """Receiver -> its address. Not among the settings' own checks: a stack's file may go without its secrets."""
    if lacking := [each.secret for each in receivers if each.secret not in webhooks]:
        how = "\n".join(f"  pulumi config set --secret --path {NAMESPACE}:webhooks.{name}" for name in lacking)
        raise RunError(
            f"Nobody can be told of alerts: {NAMESPACE}:monitoring.receivers name web hooks whose addresses are not "
            f"known. Give each, it is asked for and kept encrypted:\n{how}"
        )
    return {each.name: webhooks[each.secret] for each in receivers}
