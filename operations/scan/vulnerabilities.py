"""The parts of an image (SBOM), by syft, and those that are known to be vulnerable, by grype."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from operations.scan.database import Database
from operations.scan.findings import Finding, Kind
from operations.scan.image import Image
from operations.scan.programs import NotScanned, run


def list_parts(image: Image, parts: Path, sbom: Path) -> int:
    """Write the SBOM, in CycloneDX's form, and the same for grype, which reads more of syft's; gives how many."""
    done = run(
        "syft", "scan", f"oci-dir:{image.folder}", "--quiet", "--source-name", image.reference.partition("@")[0],
        "--source-version", image.digest, "-o", f"cyclonedx-json={sbom}", "-o", f"syft-json={parts}",
    )  # fmt: skip
    if done.returncode != 0:
        raise NotScanned(f"The parts of {image.reference} can't be listed: {done.stderr.strip()}", "mend what it names")
    return len(json.loads(parts.read_text())["artifacts"])


def find(image: Image, parts: Path, database: Database) -> Iterator[Finding]:
    """What is known of the parts. Raises `NotScanned` where the comparison fails."""
    done = run("grype", f"sbom:{parts}", "--quiet", "-o", "json", more=database.environment)
    if done.returncode != 0:
        raise NotScanned(f"{image.reference} can't be scanned: {done.stderr.strip()}", "mend what it names")
    for match in json.loads(done.stdout)["matches"]:
        yield _finding(image, match)


def _finding(image: Image, match: Any) -> Finding:
    vulnerability, package = match["vulnerability"], match["artifact"]
    return Finding(
        image=image.reference,
        kind=Kind.VULNERABILITY,
        id=vulnerability["id"],
        package=package["name"],
        version=package["version"],
        severity=vulnerability["severity"],
        fixed=tuple(vulnerability["fix"]["versions"]) if vulnerability["fix"]["state"] == "fixed" else (),
        aliases=tuple(sorted({each["id"] for each in match["relatedVulnerabilities"]})),
    )
