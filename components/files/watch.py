"""Says when scheduled jobs last began and last went well, for Prometheus to read.

python3 watch.py PORT CRONJOB=SECONDS …: those of its own namespace, and how often each has to go well. The API server
is asked at each look and nothing is kept: while it can't be asked there are no numbers, and Prometheus tells of a
target that is down.
"""

import json
import os
import signal
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def series(name: str, seconds: int, cron_job: Mapping[str, Any]) -> Iterator[str]:
    """What is known of one, as lines."""
    status = cron_job.get("status", {})
    # One that never went well is as late as if it had when it was made.
    succeeded = status.get("lastSuccessfulTime") or cron_job["metadata"]["creationTimestamp"]
    label = f'{{cronjob="{name}"}}'
    yield f"vision_week_job_interval_seconds{label} {seconds}"
    yield f"vision_week_job_running{label} {len(status.get('active', []))}"
    yield f"vision_week_job_succeeded_timestamp_seconds{label} {_seconds(succeeded)}"
    if begun := status.get("lastScheduleTime"):
        yield f"vision_week_job_scheduled_timestamp_seconds{label} {_seconds(begun)}"


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def _asked(name: str) -> Mapping[str, Any]:
    trusted = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    # The token is another one every hour.
    token, namespace = ((_ACCOUNT / file).read_text() for file in ("token", "namespace"))
    # By its address, whatever becomes of DNS.
    host, port = (os.environ[f"KUBERNETES_SERVICE_{which}"] for which in ("HOST", "PORT"))
    with closing(HTTPSConnection(host, int(port), timeout=5, context=trusted)) as api:
        path = f"/apis/batch/v1/namespaces/{namespace}/cronjobs/{name}"
        api.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = api.getresponse()
        text = answer.read().decode()
    if answer.status != HTTPStatus.OK:
        raise OSError(f"{path}: {answer.status} {text}")
    found: dict[str, Any] = json.loads(text)
    return found


def main(port: str, *jobs: str) -> None:
    """Answer Prometheus, and the kubelet, which asks whether this lives and not whether the API server does."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                text = "".join(f"{line}\n" for line in self._lines())
            except (OSError, HTTPException) as error:
                self.log_error("The API server can't be asked: %s", error)
                self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def _lines(self) -> Iterator[str]:
            if self.path == "/metrics":
                for name, _, seconds in (job.partition("=") for job in jobs):
                    yield from series(name, int(seconds), _asked(name))

        def log_request(self, *_: object) -> None:
            """Nothing of what went well."""

    ThreadingHTTPServer(("", int(port)), Answers).serve_forever()


if __name__ == "__main__":
    # The first process of a container isn't ended by a signal that it doesn't take, and its pod would wait for it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    main(*sys.argv[1:])
