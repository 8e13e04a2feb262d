"""A simulated Google, as far as it is asked before anything is made: it answers as its reference has it."""

import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from components.settings import GoogleCluster, Settings
from operations.cost.program import resources_of
from policies.rules import Resource

_MADE: dict[str, list[Resource]] = {}


def resources_once(settings: Settings) -> list[Resource]:
    """What the program makes in a project, which takes seconds to tell, and is the same for all of a file's tests."""
    cluster = settings.cluster
    assert isinstance(cluster, GoogleCluster)
    if cluster.project not in _MADE:
        _MADE[cluster.project] = resources_of(settings)
    return _MADE[cluster.project]


class Answers(BaseHTTPRequestHandler):
    """Google's APIs, with projects that have everything, and nothing of a stack's.

    numbers: of the projects. instead: path -> another answer. asked: of whom, what.
    """

    numbers: ClassVar[dict[str, int]]
    instead: ClassVar[dict[str, tuple[int, Any]]]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer()

    def _answer(self) -> None:
        self.asked.append(f"{self.command} {self.headers['Authorization']}")
        status, told = self.instead.get(self.path) or self._usual()
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _usual(self) -> tuple[int, Any]:
        path = self.path
        if found := re.fullmatch(r"/v1/projects/([^/:]+)", path):
            return 200, {"projectNumber": str(self.numbers[found[1]]), "lifecycleState": "ACTIVE"}
        if path.endswith(":testIamPermissions"):
            return 200, self.body
        if path.endswith("/billingInfo"):
            return 200, {"billingEnabled": True}
        if "/services/" in path:
            return 200, {"state": "ENABLED"}
        if "/regions/" in path:
            limits = {"N2_CPUS": 500.0, "CPUS": 500.0, "SSD_TOTAL_GB": 5000.0}
            quotas = [{"metric": metric, "limit": limit, "usage": 0.0} for metric, limit in limits.items()]
            return 200, {"zones": ["b", "c", "d"], "quotas": quotas}
        return (
            (200, {})
            if path.endswith("/clusters") or path.startswith("/dns/")
            else (404, {"error": {"message": "not found"}})
        )

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
