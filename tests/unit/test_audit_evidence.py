"""Evidence: whatever is done to it afterwards is found, and named."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from operations.audit.command import app
from operations.audit.evidence import SCANS, Verified, record, verified
from operations.audit.history import Entry, entries, files
from operations.audit.scans import Scan
from operations.audit.signing import public, signer
from operations.problem import Problem
from operations.scan.verdict import RESULT
from tests.unit.histories import STACK, add, resource


def key(folder: Path, name: str) -> tuple[Path, Path]:
    """A pair of keys."""
    made = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.touch(mode=0o600)
    private.write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        made.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


SCAN = Scan({"images": []}, {RESULT: b'{"images": []}', "app.cdx.json": b"what it is made of"})


class Place:
    """A history of five updates with its evidence."""

    def __init__(self, folder: Path) -> None:
        self.history, self.chain = folder / "history", folder / "evidence"
        self.private, self.public = key(folder, "pipeline")
        self.stranger, _ = key(folder, "stranger")
        for number in range(1, 6):
            add(self.history, number, [resource("a", data={"x": str(number)})], message="deploy: {}")
            if number == 3:
                self.sign(self.private, SCAN)
        self.anchor = self.sign(self.private)

    def entries(self) -> list[Entry]:
        return list(entries(files(self.history, STACK)))

    def sign(self, private: Path, scan: Scan | None = None) -> str:
        return record(self.chain, STACK, self.entries(), signer(str(private)), scan)

    def faults(self) -> list[str]:
        return self.verified().faults

    def verified(self) -> Verified:
        return verified(self.chain, self.chain / SCANS, public(self.public), self.anchor, self.entries())

    def link(self, number: int) -> Path:
        return self.chain / f"{number:06}.json"

    def change(self, number: int, what: str, value: object) -> None:
        link = json.loads(self.link(number).read_text())
        link["record"][what] = value
        self.link(number).write_text(json.dumps(link))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_evidence_that_nobody_touched_is_good(place: Place) -> None:
    assert place.faults() == []
    assert place.verified().good == {entry.id for entry in place.entries()}


def _removed(place: Place) -> None:
    place.link(3).unlink()


def _altered(place: Place) -> None:
    place.change(3, "update", "1")


def _cut_short(place: Place) -> None:
    place.link(3).write_text(place.link(3).read_text()[:40])


def _reordered(place: Place) -> None:
    two, three = place.link(2).read_text(), place.link(3).read_text()
    place.link(2).write_text(three)
    place.link(3).write_text(two)


def _repeated(place: Place) -> None:
    place.link(6).write_text(place.link(3).read_text())


def _cut_off(place: Place) -> None:
    place.link(5).unlink()


def _added_by_a_stranger(place: Place) -> None:
    add(place.history, 6, [], message="deploy: {}")
    place.sign(place.stranger)


def _signed_anew_by_a_stranger(place: Place) -> None:
    for file in place.chain.glob("*.json"):
        file.unlink()
    place.sign(place.stranger)


def _sbom(place: Place) -> Path:
    return place.chain / SCANS / hashlib.sha256(SCAN.files["app.cdx.json"]).hexdigest()


def _sbom_altered(place: Place) -> None:
    _sbom(place).write_bytes(b"what it should be made of")


def _sbom_removed(place: Place) -> None:
    _sbom(place).unlink()


def _sbom_exchanged(place: Place) -> None:
    """With the record that names it: what nobody can do is sign that."""
    other = hashlib.sha256(b"another").hexdigest()
    (place.chain / SCANS / other).write_bytes(b"another")
    place.change(2, "scan", {"app.cdx.json": other})


def _result_removed(place: Place) -> None:
    (place.chain / SCANS / hashlib.sha256(SCAN.files[RESULT]).hexdigest()).unlink()


def _update_taken_out(place: Place) -> None:
    files(place.history, STACK)[2].unlink()


def _update_changed(place: Place) -> None:
    file = files(place.history, STACK)[2]
    file.write_text(file.read_text().replace("A. Person", "B. Person"))


def _state_changed(place: Place) -> None:
    file = files(place.history, STACK)[2]
    beside = file.with_name(file.name.replace("history", "checkpoint"))
    beside.write_text(beside.read_text().replace('"3"', '"4"'))


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (_removed, "000004.json: 000003.json should be here: a record was removed"),
        (_altered, "000003.json: the record was altered"),
        (_cut_short, "000003.json: the record was altered"),
        (_reordered, "000002.json: the record before it is another one"),
        (_repeated, "000006.json: the record before it is another one"),
        (_cut_off, "the newest were cut off"),
        (_added_by_a_stranger, "000006.json: it was not signed by this key"),
        (_signed_anew_by_a_stranger, "000001.json: it was not signed by this key"),
        (_sbom_altered, "000001.json: app.cdx.json, of the scan of its images, was altered"),
        (_sbom_removed, "000001.json: app.cdx.json, of the scan of its images, is missing"),
        (_sbom_exchanged, "000002.json: the record was altered"),
        (_result_removed, "000001.json: scan.json, of the scan of its images, is missing"),
        (_update_taken_out, "000003.json: update 1795000180000000000 is no longer in the history"),
        (_update_changed, "000003.json: the history of update 1795000180000000000 was changed afterwards"),
        (_state_changed, "000003.json: the checkpoint of update 1795000180000000000 was changed afterwards"),
    ],
)
def test_what_was_done_to_it_is_found_and_named(place: Place, tamper: Callable[[Place], None], words: str) -> None:
    tamper(place)
    assert any(words in fault for fault in place.faults()), place.faults()


def test_the_newest_scan_comes_back_as_it_was_and_not_at_all_when_it_was_altered(place: Place) -> None:
    assert place.verified().scan == SCAN
    _sbom_altered(place)
    assert place.verified().scan is None


def test_a_scan_that_a_stranger_has_put_on_record_is_none(place: Place) -> None:
    for file in place.chain.glob("*.json"):
        file.unlink()
    place.sign(place.stranger, SCAN)
    assert place.verified().scan is None


def test_what_was_altered_of_a_scan_is_named_once(place: Place) -> None:
    """Every record of a run names it."""
    _sbom_altered(place)
    (fault,) = place.faults()
    assert fault.startswith("000001.json: app.cdx.json")


@pytest.mark.parametrize("hashes", ["text", {"app.cdx.json": "../../pipeline.key"}, {"app.cdx.json": 7}], ids=str)
def test_a_record_leads_to_no_file_but_those_of_scans(place: Place, hashes: object) -> None:
    place.change(3, "scan", hashes)
    assert place.faults() == ["000003.json: the record was altered"]


def test_what_was_tampered_with_is_no_evidence_for_its_update(place: Place) -> None:
    _update_changed(place)
    good = place.verified().good
    assert place.entries()[2].id not in good
    assert len(good) == 4


def test_records_are_added_behind_those_that_are_there(place: Place) -> None:
    before = place.link(5).read_text()
    add(place.history, 6, [], message="deploy: {}")
    newest = place.sign(place.private)
    assert place.faults() == []
    assert newest != place.anchor
    assert place.link(5).read_text() == before
    assert place.sign(place.private) == newest


def test_a_key_that_others_can_read_is_refused(place: Place) -> None:
    place.private.chmod(0o644)
    with pytest.raises(Problem, match="can be read by others"):
        place.sign(place.private)


@pytest.mark.parametrize("content", ["", "nonsense"])
def test_a_file_that_is_no_key_is_refused_with_the_way_to_make_one(place: Place, content: str) -> None:
    place.private.write_text(content)
    with pytest.raises(Problem) as refused:
        place.sign(place.private)
    assert "openssl genpkey" in refused.value.hint


def audit(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_pipeline_signs_its_own_run_alone_and_the_rest_is_named(place: Place, tmp_path: Path) -> None:
    add(place.history, 6, [])
    add(place.history, 7, [], message="deploy: {}")
    where = [STACK, "--history", place.history, "--evidence", tmp_path / "run"]
    signed = audit("record", *where, "--key", place.private, "--since", "2026-11-18T11:13:00")
    verify = ["verify", *where, "--public-key", place.public, "--anchor", signed.stdout.strip()]
    done = audit(*verify, "--since", "2026-11-18T11:12:00")
    assert done.exit_code == 1
    assert done.stdout == "update 6 of 2026-11-18T11:12:40, by hand, has no good evidence: a commit's own words\n"
    assert audit(*verify, "--since", "2026-11-18T11:13:00").exit_code == 0


def test_the_pipeline_keeps_what_a_scan_has_left_with_the_evidence(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "scan"
    folder.mkdir()
    image = {"reference": "registry.example/app@sha256:0", "digest": "sha256:0", "sbom": "app.cdx.json"}
    (folder / RESULT).write_text(json.dumps({"images": [image]}))
    (folder / "app.cdx.json").write_text("{}")
    where = [STACK, "--history", place.history, "--evidence", tmp_path / "run"]
    signed = audit("record", *where, "--key", place.private, "--since", "2026-11-18", "--scanned", folder)
    assert signed.exit_code == 0, signed.output
    verify = ["verify", *where, "--public-key", place.public, "--anchor", signed.stdout.strip()]
    assert audit(*verify).stdout == "5 updates, and each has its evidence.\n"
    (altered,) = (file for file in (tmp_path / "run" / SCANS).iterdir() if file.read_text() == "{}")
    altered.write_text("{ }")
    done = audit(*verify)
    assert done.exit_code == 1
    assert done.stdout == "000001.json: app.cdx.json, of the scan of its images, was altered\n"


def test_a_scan_that_came_to_no_result_keeps_no_update_from_being_on_record(place: Place, tmp_path: Path) -> None:
    where = [STACK, "--history", place.history, "--evidence", tmp_path / "run", "--scanned", tmp_path / "nothing"]
    signed = audit("record", *where, "--key", place.private, "--since", "2026-11-18")
    assert signed.exit_code == 0
    assert "No scan is on record" in signed.stderr
    assert len(list((tmp_path / "run").iterdir())) == len(place.entries())


def test_the_evidence_of_a_stack_that_was_removed_is_looked_at_all_the_same(place: Place) -> None:
    """With the stack goes its history; its evidence stays, and could not be verified any more."""
    for file in place.history.iterdir():
        file.unlink()
    where = [STACK, "--history", place.history, "--evidence", place.chain, "--public-key", place.public]
    done = audit("verify", *where, "--anchor", place.anchor)
    assert done.exit_code == 1
    first, *others = done.stdout.splitlines()
    assert "has no history of the stack production" in first
    assert len(others) == 5
    assert all("is no longer in the history" in line for line in others)
    place.link(2).unlink()
    assert "000003.json: 000002.json should be here: a record was removed" in audit("verify", *where).stdout


def test_a_history_that_is_in_no_folder_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    refused = audit("report", STACK).exception
    assert isinstance(refused, Problem)
    assert "PULUMI_BACKEND_URL is s3://states" in refused.what
    assert "--history FOLDER" in refused.hint
