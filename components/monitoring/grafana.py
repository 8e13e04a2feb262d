"""Grafana: shows what Prometheus has. Everything in it is made from files, so it keeps nothing and one is enough.

Nobody is admitted to it but by `kubectl port-forward`, and nobody sees anything without its password. It reaches
Prometheus and Loki alone, so all is off by which it would ask the internet. Alerts are Prometheus' alone: one that
somebody made here would be gone with the pod.
"""

from dataclasses import dataclass
from typing import Any

import pulumi_random as random
import yaml
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import apps, core, meta, networking

from components import kubernetes
from components.kubernetes import Container, Endpoint, Mount, Namespace, metadata, selector
from components.monitoring import jaeger, loki, scraping
from components.monitoring.cloud import Cloud
from components.scaling import rolling
from components.settings import Monitoring

NAME = "grafana"
_PORT = 3000
_FILES = "/etc/grafana"
_SECRETS = "/etc/vision-week/secrets"
_TRACES = "jaeger"


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """What Grafana needs.

    namespace: its own. settings: what it may use, and the thresholds that it shows. image: of Grafana.
    prometheus: whom it asks. peer: the same, as the other side of a connection.
    loki: whom it asks for logs, and loki_peer: the same; None where there is none. traces, traces_peer: for traces.
    cloud: whose pages have the traces, where no pod of ours does. authority: who signed for all of these.
    """

    namespace: Namespace
    settings: Monitoring
    image: Input[str]
    prometheus: Endpoint
    peer: networking.v1.NetworkPolicyPeerArgs
    loki: Endpoint | None
    loki_peer: networking.v1.NetworkPolicyPeerArgs
    authority: Input[str]
    traces: Endpoint | None
    traces_peer: networking.v1.NetworkPolicyPeerArgs
    cloud: Cloud | None


class Grafana(ComponentResource):
    """Grafana with its data source, its dashboards and its administrator's password."""

    def __init__(self, name: str, args: GrafanaArgs, opts: ResourceOptions | None = None) -> None:
        # Only who has Grafana waits for its library.
        from components.monitoring import dashboards, log_page  # noqa: PLC0415

        super().__init__("vision-week:monitoring:Grafana", name, None, opts)
        child = ResourceOptions(parent=self)
        about = metadata(NAME, args.namespace.name, app=NAME)
        trace = _to_a_trace(args)
        files: dict[str, Input[str]] = {
            "source.yaml": Output.all(
                args.prometheus.host,
                args.loki.host if args.loki else None,
                args.traces.host if args.traces else None,
                args.authority,
            ).apply(
                lambda known: _sources(
                    _prometheus(dashboards.SOURCE, f"http://{known[0]}:{args.prometheus.port}", trace),
                    *(
                        [_loki(log_page.SOURCE, f"https://{known[1]}:{args.loki.port}", known[3], trace)]
                        if args.loki
                        else []
                    ),
                    *(
                        [_jaeger(f"https://{known[2]}:{args.traces.port}", known[3], log_page.SOURCE)]
                        if args.traces
                        else []
                    ),
                )
            ),
            "folder.yaml": _FOLDER,
        }
        pages = dashboards.files(args.settings.alerts, logs=log_page.SOURCE if args.loki else None)
        asked = [kubernetes.to([args.peer], args.prometheus.port)]
        if args.loki:
            pages[f"{log_page.NAME}.json"] = log_page.rendered()
            asked.append(kubernetes.to([args.loki_peer], args.loki.port))
        if args.traces:
            asked.append(kubernetes.to([args.traces_peer], args.traces.port))
        config = core.v1.ConfigMap(NAME, metadata=about, data=files, opts=child)
        shown = core.v1.ConfigMap(
            f"{NAME}-dashboards",
            metadata=metadata(f"{NAME}-dashboards", args.namespace.name, app=NAME),
            data=pages,
            opts=child,
        )
        password = random.RandomPassword(NAME, length=32, special=False, opts=child).result
        secret = core.v1.Secret(NAME, metadata=about, string_data={"grafana-password": password}, opts=child)
        account = core.v1.ServiceAccount(NAME, metadata=about, automount_service_account_token=False, opts=child)
        policy = networking.v1.NetworkPolicy(
            NAME,
            metadata=about,
            spec=kubernetes.allow(NAME, egress=asked),
            opts=child,
        )
        apps.v1.Deployment(
            NAME,
            metadata=about,
            spec=apps.v1.DeploymentSpecArgs(
                replicas=1,
                strategy=rolling(),
                selector=meta.v1.LabelSelectorArgs(match_labels=selector(NAME)),
                template=kubernetes.pod(
                    NAME,
                    [_container(args)],
                    volumes=[
                        kubernetes.config_files("config", config.metadata.name),
                        kubernetes.config_files("dashboards", shown.metadata.name),
                        kubernetes.secret_files("secrets", secret.metadata.name),
                        kubernetes.scratch("data", "256Mi"),
                        kubernetes.scratch("tmp", "64Mi"),
                    ],
                    service_account=account.metadata.name,
                    configuration=kubernetes.checksum(files, pages, password),
                    grace=30,
                ),
            ),
            # No pod starts without its policies.
            opts=ResourceOptions(parent=self, depends_on=[*args.namespace.guards, policy]),
        )
        self.register_outputs({})


def _container(args: GrafanaArgs) -> Container:
    return Container(
        name=NAME,
        image=args.image,
        # Its entry point reads variables that end in __FILE from files.
        env={
            "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{_SECRETS}/grafana-password",
            "GF_AUTH_ANONYMOUS_ENABLED": "false",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_NEWS_NEWS_FEED_ENABLED": "false",
            "GF_PLUGINS_PREINSTALL_DISABLED": "true",
            "GF_SECURITY_DISABLE_GRAVATAR": "true",
            "GF_UNIFIED_ALERTING_ENABLED": "false",
            "GF_LOG_MODE": "console",
            "GF_LOG_CONSOLE_FORMAT": "json",
            "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{_FILES}/dashboards/service-levels.json",
        },
        resources=args.settings.grafana_resources,
        ports={"pages": _PORT},
        mounts=[
            Mount(volume="config", path=f"{_FILES}/provisioning/datasources/source.yaml", file="source.yaml"),
            Mount(volume="config", path=f"{_FILES}/provisioning/dashboards/folder.yaml", file="folder.yaml"),
            Mount(volume="dashboards", path=f"{_FILES}/dashboards", read_only=True),
            Mount(volume="secrets", path=_SECRETS, read_only=True),
            Mount(volume="data", path="/var/lib/grafana"),
            Mount(volume="tmp", path="/tmp"),  # noqa: S108  the pod's own
        ],
        readiness=kubernetes.http_probe("/api/health", "pages", period=5, failures=3),
        liveness=kubernetes.http_probe("/api/health", "pages", period=10, failures=6),
        # It makes its database anew at each start.
        startup=kubernetes.http_probe("/api/health", "pages", period=2, failures=60),
    )


def _sources(*sources: dict[str, Any]) -> str:
    return yaml.safe_dump({"apiVersion": 1, "datasources": list(sources)}, sort_keys=False)


def _to_a_trace(args: GrafanaArgs) -> dict[str, str] | None:
    """Where a trace's number leads; None where there are no traces."""
    if args.traces:
        return {"datasourceUid": _TRACES}
    if args.cloud:
        return {
            "url": "https://console.cloud.google.com/traces/explorer;traceId=${__value.raw}?project="
            + args.cloud.project
        }
    return None


def _prometheus(uid: str, url: str, trace: dict[str, str] | None) -> dict[str, Any]:
    return {
        "name": "Prometheus",
        "type": "prometheus",
        "uid": uid,
        "access": "proxy",
        "url": url,
        "isDefault": True,
        "editable": False,
        # So that a rate is always over several looks at a target.
        "jsonData": {
            "timeInterval": f"{scraping.INTERVAL}s",
            "httpMethod": "POST",
            **({"exemplarTraceIdDestinations": [{"name": "trace_id", **trace}]} if trace else {}),
        },
    }


def _loki(uid: str, url: str, authority: str, trace: dict[str, str] | None) -> dict[str, Any]:
    return {
        "name": "Loki",
        "type": "loki",
        "uid": uid,
        "access": "proxy",
        "url": url,
        "editable": False,
        "jsonData": {
            "tlsAuthWithCACert": True,
            "serverName": loki.NAME,
            **({"derivedFields": [_link(trace)]} if trace else {}),
        },
        # No secret: Grafana keeps it among them.
        "secureJsonData": {"tlsCACert": authority},
    }


def _link(trace: dict[str, str]) -> dict[str, str]:
    """What a line says of its trace, as a way there."""
    to = {"url": "${__value.raw}"} | trace
    return {"name": "Trace", "matcherType": "regex", "matcherRegex": r'"trace_id":"([0-9a-f]{32})"', **to}


def _jaeger(url: str, authority: str, logs: str) -> dict[str, Any]:
    """Traces; from a span one comes to the lines of its request."""
    return {
        "name": "Jaeger",
        "type": "jaeger",
        "uid": _TRACES,
        "access": "proxy",
        "url": url,
        "editable": False,
        "jsonData": {
            "tlsAuthWithCACert": True,
            "serverName": jaeger.NAME,
            "tracesToLogsV2": {
                "datasourceUid": logs,
                "customQuery": True,
                "query": '{service_name=~".+"} | trace_id="${__trace.traceId}"',
                "spanStartTimeShift": "-5m",
                "spanEndTimeShift": "5m",
            },
        },
        # No secret: Grafana keeps it among them.
        "secureJsonData": {"tlsCACert": authority},
    }


_FOLDER = yaml.safe_dump(
    {
        "apiVersion": 1,
        "providers": [
            {
                "name": "vision-week",
                "folder": "Vision Week",
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "options": {"path": f"{_FILES}/dashboards"},
            }
        ],
    },
    sort_keys=False,
)
