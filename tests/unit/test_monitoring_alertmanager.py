"""Who is told of what: routes as amtool reads them, and a real Alertmanager that hides what follows from a cause."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

import httpx
import pulumi
import pytest
import yaml

from components.monitoring import alertmanager, rules, subjects
from components.settings import Alerts, Receiver
from tests.app.processes import free_port
from tests.unit.conftest import Stacks
from tests.unit.recording import Recording, run_stack, stack_config
from tests.unit.stacks import WEBHOOKS, buildable
from tests.waiting import wait_for

RECEIVERS = (
    Receiver(name="on-call", secret="one", severities=("critical",)),
    Receiver(name="team-chat", secret="two"),
    Receiver(name="developers", secret="three", teams=("application",)),
    Receiver(name="outside", secret="four", severities=("heartbeat",)),
)
ADDRESSES = {each.name: f"https://hooks.example/{each.secret}" for each in RECEIVERS}
ALERTS = tuple(subjects.alerts(Alerts(), ("app", "collector"), 30))


def program(name: str) -> str:
    """The path of one of Debian's programs."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} isn't installed; `make test` installs it")
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager.configuration(RECEIVERS, ADDRESSES))
    return file


def told(file: Path, **labels: str) -> list[str]:
    """The receivers that hear of an alert, by amtool."""
    words = [f"{name}={value}" for name, value in labels.items()]
    asked = [program("amtool"), "config", "routes", "test", f"--config.file={file}", *words]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip().split(",")


@pytest.mark.parametrize(
    ("severity", "team", "receivers"),
    [
        ("critical", "platform", ["on-call", "team-chat"]),
        ("critical", "application", ["on-call", "team-chat", "developers"]),
        ("warning", "platform", ["team-chat"]),
        ("warning", "application", ["team-chat", "developers"]),
        ("heartbeat", "platform", ["outside"]),
    ],
)
def test_an_alert_reaches_those_who_asked_for_its_severity_and_team(
    severity: str, team: str, receivers: list[str], file: Path
) -> None:
    assert told(file, severity=severity, team=team) == receivers


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.window or ''}")
def test_every_alert_that_there_is_reaches_somebody(alert: rules.Alert, file: Path) -> None:
    assert told(file, alertname=alert.name, severity=alert.severity, team=alert.team) != ["nobody"]


def test_without_receivers_nobody_is_told_and_the_configuration_is_good(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager.configuration((), {}))
    assert told(file, severity="critical", team="platform") == ["nobody"]


def test_a_receiver_is_spoken_to_by_the_authority_that_it_names() -> None:
    receiver = Receiver(name="inside", secret="one", authority="PEM")
    made = yaml.safe_load(alertmanager.configuration([receiver], {"inside": "https://hooks.example/one"}))
    (hook,) = made["receivers"][1]["webhook_configs"]
    assert hook["http_config"] == {"tls_config": {"ca_file": "/etc/alertmanager/inside.pem"}}


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_amtool_takes_the_configuration_of_a_stack(stack: str, stacks: Stacks, tmp_path: Path) -> None:
    text = stacks(stack).one("Secret", "alertmanager").inputs["stringData"]["alertmanager.yml"]
    file = tmp_path / "alertmanager.yml"
    file.write_text(text)
    done = subprocess.run([program("amtool"), "check-config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- what hides what


@contextmanager
def running(file: Path, folder: Path, *more: str) -> Iterator[httpx.Client]:
    """A real Alertmanager with these routes, which reaches nobody."""
    port = free_port()
    words = [program("prometheus-alertmanager"), f"--config.file={file}", f"--storage.path={folder}/data"]
    addresses = [f"--web.listen-address=127.0.0.1:{port}", *(more or ["--cluster.listen-address="])]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([*words, *addresses], stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
    ):

        def ready() -> bool:
            try:
                return client.get("/-/ready").is_success
            except httpx.TransportError:
                assert process.poll() is None, (folder / "log").read_text()
                return False

        try:
            wait_for(ready, "Alertmanager to be ready", patience=60, every=0.1)
            yield client
        finally:
            process.kill()


def hidden(client: httpx.Client, raised: Sequence[Mapping[str, str]]) -> list[str]:
    """Of these alerts, the names of those that nobody is told of because of another."""
    client.post("/api/v2/alerts", json=[{"labels": dict(each)} for each in raised]).raise_for_status()
    listed = client.get("/api/v2/alerts").raise_for_status().json()
    assert len(listed) == len(raised), json.dumps(listed)
    return sorted(each["labels"]["alertname"] for each in listed if each["status"]["inhibitedBy"])


def test_the_worse_hides_the_lesser_of_its_kind_and_the_cause_what_follows_from_it(file: Path, tmp_path: Path) -> None:
    burning = {"alertname": "ErrorBudgetBurns", "team": "application"}
    database = {"namespace": "data", "team": "platform"}
    raised = [
        {**burning, "severity": "critical", "window": "1h"},
        {**burning, "severity": "warning", "window": "3d"},
        {"alertname": "LatencyBudgetBurns", "severity": "warning"},
        {**database, "alertname": "DatabaseWithoutPrimary", "severity": "critical"},
        {**database, "alertname": "ReplicaBehind", "severity": "warning"},
        {**database, "alertname": "DatabaseFailedOver", "severity": "warning", "namespace": "another"},
    ]
    expected = ["ErrorBudgetBurns", "ReplicaBehind"]
    with running(file, tmp_path) as client:
        # What hides others hears of an alert a moment after it was taken.
        wait_for(lambda: len(hidden(client, raised)) >= len(expected), "Alertmanager to look at them", every=0.1)
        assert hidden(client, raised) == expected


_DISK = {"alertname": "NodeDiskFull", "namespace": "node", "service": "node-exporter"}


@pytest.mark.parametrize(
    ("kind", "full", "others"),
    [
        (
            {"alertname": "ClaimFull", "namespace": "data"},
            {"persistentvolumeclaim": "data-postgres-0"},
            [{"persistentvolumeclaim": "data-postgres-1"}],
        ),
        (
            _DISK,
            {"instance": "10.0.0.1:9100", "mountpoint": "/"},
            [
                {"instance": "10.0.0.1:9100", "mountpoint": "/tmp"},  # noqa: S108  a disk's
                {"instance": "10.0.0.2:9100", "mountpoint": "/"},
            ],
        ),
        ({"alertname": "CertificateExpires"}, {"url": "https://a.example"}, [{"url": "https://b.example"}]),
    ],
    ids=["claim", "disk", "certificate"],
)
def test_what_is_critical_of_one_thing_hides_no_warning_of_another(
    kind: Mapping[str, str], full: Mapping[str, str], others: Sequence[Mapping[str, str]], file: Path, tmp_path: Path
) -> None:
    """A claim that was full hid that the replica's nearly was."""
    raised = [{**kind, **full, "severity": "critical"}]
    raised += [{**kind, **each, "severity": "warning"} for each in (full, *others)]
    with running(file, tmp_path) as client:
        wait_for(lambda: hidden(client, raised), "Alertmanager to look at them", every=0.1)
        assert hidden(client, raised) == [kind["alertname"]]
        (one,) = [each for each in client.get("/api/v2/alerts").json() if each["status"]["inhibitedBy"]]
    assert one["labels"] == {**kind, **full, "severity": "warning"}


def test_what_an_alert_of_two_severities_tells_things_apart_by_must_be_the_same_to_hide_it(file: Path) -> None:
    (worse, *_) = yaml.safe_load(file.read_text())["inhibit_rules"]
    severities = {alert.name: {each.severity for each in ALERTS if each.name == alert.name} for alert in ALERTS}
    both = [alert for alert in ALERTS if severities[alert.name] >= {"critical", "warning"}]
    assert {"ClaimFull", "CertificateExpires", "NodeDiskFull"} <= {alert.name for alert in both}
    for alert in both:
        told = {label for labels in re.findall(r"by \(([^)]*)\)", alert.expr) for label in labels.split(", ")}
        assert told <= set(worse["equal"]), alert.name


# --- how several agree


@pytest.fixture
def gossip(tmp_path: Path) -> Path:
    """What each shows the others and asks of them, with a certificate of an authority of its own."""
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    uses = "extendedKeyUsage=serverAuth,clientAuth"
    for words in (
        "-subj /CN=authority -keyout ca.key -out ca.crt",
        f"-subj /CN=alertmanager -addext subjectAltName=DNS:alertmanager -addext {uses} "
        "-addext basicConstraints=critical,CA:FALSE -CA ca.crt -CAkey ca.key -keyout tls.key -out tls.crt",
    ):
        subprocess.run([*made, *words.split()], cwd=tmp_path, capture_output=True, check=True)
    file = tmp_path / "gossip.yml"
    file.write_text(yaml.safe_dump(alertmanager.GOSSIP_TLS).replace("/etc/alertmanager", str(tmp_path)))
    return file


def test_two_find_each_other_under_certificates(file: Path, gossip: Path, tmp_path: Path) -> None:
    ports = [free_port() for _ in range(2)]
    peers = [f"--cluster.peer=127.0.0.1:{port}" for port in ports]
    with ExitStack() as both:
        clients = []
        for port in ports:
            folder = tmp_path / str(port)
            folder.mkdir()
            here = [f"--cluster.listen-address=127.0.0.1:{port}", f"--cluster.tls-config={gossip}"]
            clients.append(both.enter_context(running(file, folder, *here, *peers)))

        def found() -> list[int]:
            return [len(client.get("/api/v2/status").json()["cluster"].get("peers", [])) for client in clients]

        wait_for(lambda: found() == [2, 2], "both to know both", patience=60, every=0.2)


# --- the program


@pytest.fixture
def told_stack(stacks: Stacks) -> Recording:
    return stacks("production")


def test_the_addresses_are_in_one_secret_and_nowhere_in_clear(told_stack: Recording) -> None:
    """S7.3"""
    text = told_stack.one("Secret", "alertmanager").inputs["stringData"]["alertmanager.yml"]
    addresses = [address for name, address in WEBHOOKS.items() if name in {"alerts-on-call", "heartbeat"}]
    for address in addresses:
        assert address in text
        assert not any(address in one.clear for one in told_stack.made)


def test_a_receiver_without_an_address_is_refused_with_the_command_that_gives_it() -> None:
    config = buildable("production")
    del config["vision-week:webhooks"]["heartbeat"]
    with pytest.raises(pulumi.RunError) as caught:
        run_stack(config)
    assert str(caught.value).endswith("\n  pulumi config set --secret --path vision-week:webhooks.heartbeat")


def test_the_way_out_is_open_on_the_ports_of_the_receivers_alone() -> None:
    config = stack_config("development")
    config["vision-week:monitoring"]["receivers"] = [{"name": "me", "secret": "me"}, {"name": "you", "secret": "you"}]
    config["vision-week:webhooks"] = {"me": "https://hooks.example:8443/me", "you": "https://hooks.example"}
    rules_out = run_stack(config).one("NetworkPolicy", "alertmanager").inputs["spec"]["egress"]
    out = [each["ports"] for each in rules_out if "ipBlock" in each["to"][0]]
    assert [[port["port"] for port in ports] for ports in out] == [[443, 8443]]


def test_without_receivers_there_is_no_way_out(development: Recording) -> None:
    assert "egress" not in development.one("NetworkPolicy", "alertmanager").inputs["spec"]


def test_several_agree_under_certificates_of_their_own_and_one_has_nobody_to_agree_with(
    told_stack: Recording, development: Recording
) -> None:
    def words(recording: Recording) -> list[str]:
        spec = recording.one("StatefulSet", "alertmanager").inputs["spec"]["template"]["spec"]
        return [word for word in spec["containers"][0]["command"] if word.startswith("--cluster")]

    assert words(development) == ["--cluster.listen-address="]
    # `:9094` is what it ends at once with under certificates: "invalid bind address".
    (listening,) = [word for word in words(told_stack) if word.startswith("--cluster.listen-address=")]
    ip_address(listening.partition("=")[2].rpartition(":")[0])
    peers = [word for word in words(told_stack) if word.startswith("--cluster.peer=")]
    assert peers == [
        f"--cluster.peer=alertmanager-{number}.alertmanager-members.vision-week-monitoring.svc.cluster.local:9094"
        for number in range(2)
    ]
    gossip = yaml.safe_load(told_stack.one("Secret", "alertmanager").inputs["stringData"]["gossip.yml"])
    assert gossip["tls_server_config"]["client_auth_type"] == "RequireAndVerifyClientCert"


def test_prometheus_tells_alertmanager_under_tls(development: Recording) -> None:
    text = development.one("ConfigMap", "prometheus").inputs["data"]["prometheus.yml"]
    (place,) = yaml.safe_load(text)["alerting"]["alertmanagers"]
    assert place["scheme"] == "https"
    assert place["tls_config"] == {"ca_file": "/etc/prometheus/authority.pem", "server_name": "alertmanager"}
    (found,) = place["dns_sd_configs"]
    assert found["names"] == ["alertmanager-metrics.vision-week-monitoring.svc.cluster.local"]
    assert found["port"] == 9093
