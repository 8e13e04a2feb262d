"""The archive for a review, from histories like those of a real backend (tests/engine/test_audit.py)."""

import csv
import io
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner, Result

from operations.audit.command import app
from operations.problem import Problem
from tests.unit.answering import answering
from tests.unit.histories import STACK, add, resource
from tests.unit.test_audit_evidence import key

SINCE = "2026-11-18"
IMAGES = {"app": "registry.example/app@sha256:0"}
EXEMPTION = {
    "rule": "workload-replicated",
    "resource": "grafana",
    "reason": "=HYPERLINK()",
    "owner": "platform team",
    "expires": "2027-11-30",
}


def made(
    type_: str, name: str, created: str, *, keepers: dict[str, str] | None = None, **outputs: Any
) -> dict[str, Any]:
    return {
        "urn": f"urn:pulumi:{STACK}::vision-week::{type_}::{name}",
        "type": type_,
        "id": name,
        "created": created,
        "inputs": {"keepers": keepers} if keepers else {},
        "outputs": outputs,
    }


@pytest.fixture
def history(tmp_path: Path) -> Path:
    stack = {
        "urn": f"urn:pulumi:{STACK}::vision-week::pulumi:pulumi:Stack::{STACK}",
        "type": "pulumi:pulumi:Stack",
        "outputs": {"images": IMAGES},
    }
    resources = [
        stack,
        resource("a", data={"x": "1"}),
        made("random:index/randomPassword:RandomPassword", "redis", "2026-01-01T00:00:00Z", result="never-shown"),
        made(
            "random:index/randomPassword:RandomPassword",
            "app",
            "2026-11-01T00:00:00Z",
            keepers={"generation": "2"},
            result="never-shown",
        ),
        made("tls:index/privateKey:PrivateKey", "edge", "2026-06-01T00:00:00Z", privateKeyPem="never-shown"),
        made(
            "tls:index/locallySignedCert:LocallySignedCert",
            "edge",
            "2026-06-01T00:00:00Z",
            validityStartTime="2026-06-01T00:00:00+00:00",
            validityEndTime="2036-06-01T00:00:00+00:00",
        ),
    ]
    before = {"vision-week:secrets": {"generation": 1}}
    add(tmp_path / STACK, 1, [], message="deploy: {}", result="failed", config=before)
    config = {"vision-week:policies": {"exemptions": [EXEMPTION]}, "vision-week:secrets": {"generation": 2}}
    add(tmp_path / STACK, 2, resources, message="deploy: {}", config=config)
    return tmp_path


def pack(history: Path, *words: object) -> Result:
    told = ("pack", STACK, "--since", SINCE, "--history", f"{history}/{{stack}}", *words)
    return CliRunner().invoke(app, [str(word) for word in told])


def rows(archive: Path, name: str) -> list[list[str]]:
    with ZipFile(archive) as opened:
        return list(csv.reader(io.StringIO(opened.read(name).decode())))[1:]


def test_a_review_has_everything_that_the_history_knows(history: Path, tmp_path: Path) -> None:
    archive = tmp_path / "review.zip"
    done = pack(history, "--output", archive)
    assert done.exit_code == 0, done.output
    with ZipFile(archive) as opened:
        names = set(opened.namelist())
        page = opened.read(f"{STACK}/updates.html").decode()
        everything = b"".join(opened.read(name) for name in names)
    parts = (
        "updates.html",
        "updates.csv",
        "access.md",
        "access.svg",
        "certificates.csv",
        "secrets.csv",
        "exemptions.csv",
        "images.csv",
    )
    assert names == {"README.md", *(f"{STACK}/{part}" for part in parts)}
    assert "deployment" in page
    assert b"never-shown" not in everything
    assert rows(archive, f"{STACK}/images.csv") == [["app", IMAGES["app"]]]


def test_what_ends_first_and_what_is_oldest_comes_first(history: Path, tmp_path: Path) -> None:
    archive = tmp_path / "review.zip"
    pack(history, "--output", archive)
    assert [row[0] for row in rows(archive, f"{STACK}/secrets.csv")] == ["redis", "edge", "app"]
    ((name, begun, until, left),) = rows(archive, f"{STACK}/certificates.csv")
    assert (name, begun[:10], until[:10]) == ("edge", "2026-06-01", "2036-06-01")
    assert int(left) > 0


def test_certificates_that_google_renews_are_named(tmp_path: Path) -> None:
    """No state has their days, and a table without them looked whole."""
    managed = made("gcp:certificatemanager/certificate:Certificate", "api", "2026-01-01T00:00:00Z")
    add(tmp_path / STACK, 1, [managed])
    told = pack(tmp_path, "--output", tmp_path / "review.zip").stdout
    assert "- Google makes and renews these certificates, and no state has their days: api" in told


def test_it_is_told_of_which_generation_passwords_are_and_when_that_came(history: Path, tmp_path: Path) -> None:
    """S7.3"""
    archive = tmp_path / "review.zip"
    told = pack(history, "--output", archive).stdout
    assert "- secrets.generation is 2; it was raised 1 times, the last on 2026-11-18" in told
    assert {row[0]: row[3] for row in rows(archive, f"{STACK}/secrets.csv")} == {"redis": "", "edge": "", "app": "2"}


def test_passwords_that_nobody_has_made_anew_are_of_the_first_generation(tmp_path: Path) -> None:
    add(tmp_path / STACK, 1, [resource("a")])
    told = pack(tmp_path, "--output", tmp_path / "review.zip").stdout
    assert "- secrets.generation is 1; it was not raised since then" in told


def test_an_exemption_is_listed_and_is_no_formula(history: Path, tmp_path: Path) -> None:
    archive = tmp_path / "review.zip"
    pack(history, "--output", archive)
    expected = [*EXEMPTION.values()]
    expected[2] = "'=HYPERLINK()"
    assert rows(archive, f"{STACK}/exemptions.csv") == [expected]


def test_what_could_not_be_had_is_named_on_the_first_page(history: Path, tmp_path: Path) -> None:
    told = pack(history, "--output", tmp_path / "review.zip").stdout
    assert "2 updates, 1 of them not successful" in told
    assert "nobody looked at the evidence" in told
    assert "no scan of its images and no SBOM: no --scans was given, and no good evidence has them" in told
    assert "backups, drills and alerts, as no --prometheus was given" in told


def scanned(folder: Path, digest: str) -> Path:
    """What operations/scan leaves (tests/localcloud/test_scan.py)."""
    place = folder / "scans" / STACK
    place.mkdir(parents=True)
    finding = {
        "image": "app",
        "kind": "vulnerability",
        "id": "CVE-1",
        "package": "x",
        "version": "1",
        "severity": "High",
    }
    by = {"id": "CVE-1", "package": "x", "reason": "nobody calls it", "owner": "us", "expires": "2027-01-01"}
    told = {
        "scanned": "2026-11-30T00:00:00+00:00",
        "database": "2026-11-29T00:00:00Z",
        "images": [{"reference": f"registry.example/app@{digest}", "digest": digest, "sbom": "app.cdx.json"}],
        "failing": [],
        "allowed": [{**finding, "severity": "High", "fixed": ["2"], "by": by}],
        "noted": [],
    }
    (place / "scan.json").write_text(json.dumps(told))
    (place / "app.cdx.json").write_text('{"bomFormat": "CycloneDX"}')
    return folder / "scans"


def test_a_scan_comes_along_with_its_sboms_and_says_who_allows_what(history: Path, tmp_path: Path) -> None:
    archive = tmp_path / "review.zip"
    scans = scanned(tmp_path, "sha256:0")
    told = pack(history, "--output", archive, "--scans", f"{scans}/{{stack}}").stdout
    assert "with a database of 2026-11-29T00:00:00Z: 0 failing, 1 allowed, 0 noted" in told
    assert "nobody has scanned" not in told
    allowed = ["allowed", "app", "vulnerability", "CVE-1", "x", "1", "High", "2", "2027-01-01", "us", "nobody calls it"]
    assert rows(archive, f"{STACK}/scan.csv") == [allowed]
    with ZipFile(archive) as opened:
        assert json.loads(opened.read(f"{STACK}/sboms/app.cdx.json")) == {"bomFormat": "CycloneDX"}


def test_a_scan_that_is_with_the_evidence_comes_along_without_being_given(history: Path, tmp_path: Path) -> None:
    scans = scanned(tmp_path, "sha256:0")
    private, public = key(tmp_path, "pipeline")
    where = ["--history", history / STACK, "--evidence", tmp_path / "evidence" / STACK]
    words = ["record", STACK, *where, "--key", private, "--since", SINCE, "--scanned", scans / STACK]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    archive = tmp_path / "review.zip"
    evidence = ("--evidence", f"{tmp_path}/evidence/{{stack}}", "--public-key", public)
    told = pack(history, "--output", archive, *evidence).stdout
    assert "0 things are wrong with the evidence" in told
    assert "0 failing, 1 allowed, 0 noted" in told
    with ZipFile(archive) as opened:
        assert json.loads(opened.read(f"{STACK}/sboms/app.cdx.json")) == {"bomFormat": "CycloneDX"}


def test_an_image_that_runs_and_was_not_scanned_is_named(history: Path, tmp_path: Path) -> None:
    scans = scanned(tmp_path, "sha256:1")
    told = pack(history, "--output", tmp_path / "review.zip", "--scans", f"{scans}/{{stack}}").stdout
    assert f"nobody has scanned, of what runs: {IMAGES['app']}" in told


@pytest.mark.parametrize("missing", ["scan.json", "app.cdx.json"])
def test_a_scan_that_is_not_whole_is_a_clear_error(history: Path, tmp_path: Path, missing: str) -> None:
    scans = scanned(tmp_path, "sha256:0")
    (scans / STACK / missing).unlink()
    refused = pack(history, "--output", tmp_path / "review.zip", "--scans", f"{scans}/{{stack}}").exception
    assert isinstance(refused, Problem)
    assert missing in refused.what or "no result" in refused.what
    assert not (tmp_path / "review.zip").exists()


def test_nothing_is_written_over(history: Path, tmp_path: Path) -> None:
    archive = tmp_path / "review.zip"
    archive.write_text("somebody's")
    refused = pack(history, "--output", archive).exception
    assert isinstance(refused, Problem)
    assert archive.read_text() == "somebody's"


class Remembers(BaseHTTPRequestHandler):
    """A stand-in for Prometheus, of backups; of alerts a real one is asked: tests/app/test_audit_alerts.py."""

    def do_GET(self) -> None:
        alerts = "query_range" in self.path
        result = [] if alerts else [{"metric": {"cronjob": "full"}, "value": [0, "3"]}]
        body = json.dumps({"data": {"result": result}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""


class Babbles(Remembers):
    """What answers, and is no Prometheus."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


class Ends(Remembers):
    """What ends in the middle of its answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "200")
        self.end_headers()
        self.wfile.write(b'{"data": {"result": [')


def test_alerts_and_backups_are_what_prometheus_remembers(history: Path, tmp_path: Path) -> None:
    archive = tmp_path / "review.zip"
    with answering(Remembers) as address:
        told = pack(history, "--output", archive, "--prometheus", address).stdout
    assert "- alerts.csv: 0 times that an alert was raised, the heartbeat aside" in told
    assert "- alerts.csv: of no time is it known whether an alert was raised" in told
    assert "- backups.csv: 1 jobs of the backups\n- backups.csv: no restore drill is on record" in told
    assert rows(archive, "alerts.csv") == []
    assert rows(archive, "backups.csv") == [["full", "3", "1970-01-01T00:00:03+00:00"]]


def asked_of(address: str, history: Path, archive: Path) -> list[str]:
    """What the first page says where Prometheus is of no use; the rest is in the archive all the same."""
    done = pack(history, "--output", archive, "--prometheus", address)
    assert done.exit_code == 0, done.output
    with ZipFile(archive) as opened:
        names, page = opened.namelist(), opened.read("README.md").decode()
    assert f"{STACK}/updates.html" in names
    assert not {"alerts.csv", "backups.csv"} & set(names)
    return [line for line in page.splitlines() if ".csv: " in line]


@pytest.mark.parametrize(
    ("server", "why"), [(Babbles, "JSON is malformed"), (Ends, "peer closed connection")], ids=["babbles", "ends"]
)
def test_what_prometheus_does_not_say_is_named_and_the_rest_is_there(
    history: Path, tmp_path: Path, server: type[BaseHTTPRequestHandler], why: str
) -> None:
    """The first of these ended in a traceback, and with nothing."""
    with answering(server) as address:
        alerts, backups = asked_of(address, history, tmp_path / "review.zip")
    assert alerts.startswith("- alerts.csv: it can't be had: ")
    assert backups.startswith("- backups.csv: it can't be had: ")
    assert why in alerts


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "127.0.0.1:9090", "http://a:b", "ftp://a"])
def test_an_address_where_no_prometheus_is_is_named(history: Path, tmp_path: Path, address: str) -> None:
    assert len(asked_of(address, history, tmp_path / "review.zip")) == len(["alerts.csv", "backups.csv"])


def test_the_password_of_who_asks_prometheus_is_not_told(history: Path, tmp_path: Path) -> None:
    told = pack(history, "--output", tmp_path / "review.zip", "--prometheus", "http://me:hidden@127.0.0.1:1").stdout
    assert "## What http://127.0.0.1:1 remembers" in told
    assert "hidden" not in told
