"""The scan of images: real programs, on a small image and with a small database made for the test.

Whether the publisher's own database says what is known of our images nobody can see here: it can't be reached.
"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from localcloud import paths
from tests.localcloud.scanning import TOKEN, advisory, archive, database, image, mirror, package

PLACE: Final = "srv/old.key"
DELETED: Final = "srv/.wh.old.key"  # how a later layer says so
ALLOWANCE: Final = {
    "id": "CVE-2026-0001",
    "package": "leaky",
    "reason": "The part of it that leaks is called by nobody.",
    "owner": "platform team",
    "expires": "2999-12-31",
}
HIGH: Final = advisory("CVE-2026-0001", "high", "2.0", fixed=True)


class Trial:
    """A folder with an image, a database and allowances."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.allowances = folder / "allowed.yaml"
        self.allow()
        self.images = [image(folder / "app", package("leaky", "1.2"))]
        self.database = ""

    def knows(self, *advisories: dict[str, Any]) -> Path:
        made = database(self.folder / "made", advisories)
        self.database = str(archive(made))
        return made

    def allow(self, *allowances: dict[str, Any]) -> None:
        self.allowances.write_text(yaml.safe_dump(list(allowances)))

    def scan(self, *words: str) -> subprocess.CompletedProcess[str]:
        given = ["--output", str(self.folder / "out"), "--allowed", str(self.allowances), "--database", self.database]
        command = [sys.executable, "-m", "operations.scan", *map(str, self.images), *given, *words]
        return subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, text=True, check=False)

    def result(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / "out/scan.json").read_text())
        return told


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def ids(findings: Sequence[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in findings]


def test_an_image_of_which_nothing_is_known_passes_and_its_parts_are_on_record(trial: Trial) -> None:
    trial.knows(advisory("CVE-2026-0002", "critical", "9.0", fixed=True, package="another"))
    done = trial.scan()
    assert done.returncode == 0, done.stdout + done.stderr
    assert trial.result()["passed"]
    (scanned,) = trial.result()["images"]
    sbom = json.loads((trial.folder / "out" / scanned["sbom"]).read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["metadata"]["component"]["version"] == scanned["digest"]
    assert ("leaky", "1.2") in [(each["name"], each.get("version")) for each in sbom["components"]]


@pytest.mark.parametrize("severity", ["high", "critical"])
def test_what_is_grave_and_has_a_fix_fails(trial: Trial, severity: str) -> None:
    trial.knows(HIGH | {"severity": severity})
    done = trial.scan()
    assert done.returncode == 1
    assert "CVE-2026-0001" in done.stdout
    assert "1 findings fail the scan" in done.stderr
    (failing,) = trial.result()["failing"]
    assert (failing["package"], failing["version"], failing["fixed"]) == ("leaky", "1.2", ["2.0"])


def test_what_has_no_fix_or_is_less_grave_is_told_and_fails_nothing(trial: Trial) -> None:
    trial.knows(
        advisory("CVE-2026-0003", "critical", "2.0", fixed=False),
        advisory("CVE-2026-0004", "medium", "2.0", fixed=True),
    )
    assert trial.scan().returncode == 0
    assert sorted(ids(trial.result()["noted"])) == ["CVE-2026-0003", "CVE-2026-0004"]


def test_what_somebody_allows_passes_and_says_until_when(trial: Trial) -> None:
    trial.knows(HIGH)
    trial.allow(ALLOWANCE)
    done = trial.scan()
    assert done.returncode == 0, done.stderr
    assert "until 2999-12-31" in done.stdout
    assert trial.result()["allowed"][0]["by"]["owner"] == "platform team"


def test_an_allowance_that_has_ended_fails_and_names_its_owner(trial: Trial) -> None:
    trial.knows(HIGH)
    trial.allow({**ALLOWANCE, "expires": "2026-01-31"})
    done = trial.scan()
    assert done.returncode == 1
    assert "ended on 2026-01-31" in done.stdout
    assert ids(trial.result()["failing"]) == ["CVE-2026-0001"]


def test_an_allowance_of_nothing_is_told(trial: Trial) -> None:
    trial.knows()
    trial.allow(ALLOWANCE)
    done = trial.scan()
    assert done.returncode == 0
    assert "take it away" in done.stdout
    assert ids(trial.result()["unused"]) == ["CVE-2026-0001"]


def test_a_secret_in_a_layer_or_among_the_settings_fails_and_is_never_shown(trial: Trial) -> None:
    key = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    trial.images = [image(trial.folder / "with", {PLACE: key.decode()}, {DELETED: ""}, environment=[f"TOKEN={TOKEN}"])]
    trial.knows()
    done = trial.scan()
    assert done.returncode == 1
    found = {(each["id"], each["package"]) for each in trial.result()["failing"]}
    assert found == {("private-key", PLACE), ("github-pat", "the image's settings")}
    everything = done.stdout + done.stderr + json.dumps(trial.result())
    assert TOKEN not in everything
    assert key.decode().splitlines()[1] not in everything


def test_what_two_images_have_in_common_is_found_in_both(trial: Trial) -> None:
    trial.images.append(image(trial.folder / "beside", package("leaky", "1.2"), {"srv/more": "x"}))
    trial.knows(HIGH)
    assert trial.scan().returncode == 1
    assert {each["image"] for each in trial.result()["failing"]} == {str(each) for each in trial.images}


def test_without_a_database_nothing_passes(trial: Trial) -> None:
    trial.database = "http://127.0.0.1:9/databases"
    (trial.folder / "out").mkdir()
    (trial.folder / "out/scan.json").write_text('{"passed": true}')
    done = trial.scan()
    assert done.returncode == 3
    assert "There is no database of vulnerabilities to scan with" in done.stderr
    assert "connection refused" in done.stderr
    assert not (trial.folder / "out/scan.json").exists()


def test_a_database_comes_from_a_mirror_and_what_it_left_here_is_not_enough(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRYPE_DB_CACHE_DIR", str(trial.folder / "cache"))
    packed = archive(trial.knows(HIGH))
    with mirror(packed) as address:
        trial.database = address
        assert trial.scan().returncode == 1
        assert ids(trial.result()["failing"]) == ["CVE-2026-0001"]
    assert list((trial.folder / "cache").rglob("vulnerability.db"))
    done = trial.scan()
    assert done.returncode == 3
    assert "connection refused" in done.stderr


def test_a_database_that_is_too_old_is_none(trial: Trial) -> None:
    made = trial.knows()
    with sqlite3.connect(made) as opened:
        opened.execute("UPDATE db_metadata SET build_timestamp = '2026-01-01 00:00:00+00:00'")
    opened.close()
    archive(made)
    done = trial.scan()
    assert done.returncode == 3
    assert "was built" in done.stderr


def test_a_broken_database_is_none(trial: Trial) -> None:
    made = trial.knows()
    made.write_bytes(b"no database")
    archive(made)
    assert trial.scan().returncode == 3


def test_an_image_that_cannot_be_pulled_is_not_scanned(trial: Trial) -> None:
    trial.knows()
    trial.images = [Path("127.0.0.1:9/app@sha256:" + "0" * 64)]
    done = trial.scan()
    assert done.returncode == 3
    assert "127.0.0.1:9/app@sha256" in done.stderr
    assert "can't be pulled" in done.stderr
