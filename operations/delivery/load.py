"""The load test: whether the service levels hold while many ask at once (S10.2). k6 asks, by load.js beside this.

It comes from one address, so that it may ask the API for no more than that address may (S3.2): four fifths of it. What
more users do is the page's load, which nobody limits.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from operations.built import path_with
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target
from operations.problem import Problem

_SCRIPT: Final = Path(__file__).with_suffix(".js")
_BROKEN: Final = 99  # k6's exit code where a threshold is crossed


@dataclass(frozen=True)
class Measured:
    """One kind of request. p95: milliseconds. failed: share of those that got no good answer."""

    name: str
    count: int
    p95: float
    failed: float


@dataclass(frozen=True)
class Load:
    """What was measured. never: requests that couldn't be made in time. held: whether every level did."""

    measured: tuple[Measured, ...]
    never: int
    held: bool


def load(target: Target, *, seconds: int, pages: int) -> Load:
    """Ask for the page so often a second, and beside that the API. Raises `DeliveryError` where k6 can't."""
    outputs = target.outputs()
    address = httpx.URL(outputs["url"])
    here = f"127.0.0.1:{address.port or 443}"
    # A name under `localhost` is this machine (RFC 6761), also to resolvers that haven't heard of it.
    hosts = {address.netloc.decode(): here} if address.host.endswith(".localhost") else {}
    reads = max(1, target.settings.app.limits.api_per_second * 4 // 5)
    with tempfile.TemporaryDirectory() as folder:
        authority, summary = Path(folder, "ca.crt"), Path(folder, "summary.json")
        authority.write_text(outputs["ca_certificate"])
        try:
            path = path_with("k6")
        except Problem as problem:
            raise DeliveryError(problem.what, problem.hint) from None
        told = {"ADDRESS": str(address).rstrip("/"), "SECONDS": seconds, "PAGES": pages, "READS": reads}
        given = [f"--env={name}={value}" for name, value in {**told, "HOSTS": json.dumps(hosts)}.items()]
        done = subprocess.run(
            ["k6", "run", "--quiet", "--no-usage-report", "--summary-export", summary, *given, _SCRIPT],
            env={**os.environ, "PATH": path, **_trusting(authority)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in {0, _BROKEN}:
            raise DeliveryError(f"k6 exits with {done.returncode}: {done.stderr.strip()}", "mend it", Exit.TESTS)
        return _read(json.loads(summary.read_text())["metrics"], held=done.returncode == 0)


def _trusting(authority: Path) -> Mapping[str, str]:
    """For Go's own library: the stack's authority beside the public ones, which its folders have."""
    return {"SSL_CERT_FILE": str(authority)}


def _read(metrics: Mapping[str, Any], *, held: bool) -> Load:
    measured = []
    for name in ("pages", "reads"):
        failed = metrics[f"http_req_failed{{scenario:{name}}}"]
        # Of this metric a pass is a request that has failed.
        count = failed["passes"] + failed["fails"]
        took = metrics[f"http_req_duration{{scenario:{name}}}"]
        measured.append(Measured(name, count, took["p(95)"], failed["value"]))
    return Load(tuple(measured), int(metrics.get("dropped_iterations", {}).get("count", 0)), held)
