"""What a rehearsal does to the pods of its stack, and how it finds out that they go on."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from localcloud import toolchain
from localcloud.cluster import layout
from localcloud.problem import Problem
from localcloud.rehearsal import clusters
from localcloud.rehearsal.surroundings import state_at
from localcloud.waiting import wait

_TIME: Final = 600  # seconds, of a pod on two processors that start a dozen others meanwhile
_RESTORED: Final = "postgres-restored"
_MARK: Final = "CREATE TABLE IF NOT EXISTS rehearsed AS SELECT 'before the restore' AS said"
_LOST: Final = layout.NODES[-1]


@dataclass(frozen=True)
class Pods:
    """The stack's. prefix: of its namespaces. state: XDG_STATE_HOME of the local cloud, which isn't the rehearsal's."""

    project: str
    prefix: str
    state: str | None

    def serve(self) -> str:
        """Have the application's pods answer, and one of them keep a file where another finds it."""
        self._await("the application", self._serves)
        pods = self._ready("app", "app.kubernetes.io/name=app")
        uploads = "/var/www/html/storage/uploads"
        self._in(
            "app", pods[0], "php", "sh", "-c", f"echo kept > {uploads}/rehearsed.txt && sync {uploads}/rehearsed.txt"
        )
        found = self._in("app", pods[-1], "php", "cat", f"{uploads}/rehearsed.txt")
        bucket = f"{self.project}-uploads"
        if found.strip() != "kept" or "rehearsed.txt" not in self._objects(bucket):
            raise Problem("A file that one pod has uploaded is not what another finds.", "See docs/uploads.md.")
        return f"{len(pods)} pods of the application; the file is in the bucket {bucket}"

    def backed_up(self) -> str:
        """Wait for the first backup."""
        self._await("the first backup", self._has_begun)
        bucket = f"{self.project}-{self.prefix}-backups"
        return f"{len(self._objects(bucket))} objects in the bucket {bucket}"

    def lose_a_zone(self) -> str:
        """Stop a node; the application reads and writes without it, and all is as before when it is back."""
        before = len(self._ready("data", "app.kubernetes.io/name=postgres"))
        with state_at(self.state), clusters.without(_LOST):
            self._await(f"the application without {_LOST.name}", self._serves)
            self._sql(_MARK)
            left = len(self._ready("app", "app.kubernetes.io/name=app"))
        self._await(
            "all members of PostgreSQL", lambda: len(self._ready("data", "app.kubernetes.io/name=postgres")) == before
        )
        self._await("the application", self._serves)
        return f"{left} pods of the application went on, PostgreSQL took writes; {before} members again afterwards"

    def restore(self) -> str:
        """Restore the latest there is beside the database, from the bucket alone, and look at it."""
        self._sql(_MARK)
        self._sql("SELECT pg_switch_wal()")
        data = ("-n", self._area("data"))
        cron = json.loads(self._kubectl(*data, "get", "cronjob", "postgres-backups-restore", "-o", "json"))
        job: dict[str, Any] = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": _RESTORED, "labels": cron["spec"]["jobTemplate"]["metadata"]["labels"]},
            "spec": cron["spec"]["jobTemplate"]["spec"],
        }
        self._kubectl(*data, "create", "-f", "-", given=json.dumps(job))
        try:
            pod = f"batch.kubernetes.io/job-name={_RESTORED}"
            self._await("the restored database", lambda: self._restored(pod))
            said = self._kubectl(
                *data, "exec", f"job/{_RESTORED}", "--", *_psql("SELECT said FROM rehearsed"), "vision_week"
            )
        finally:
            self._kubectl(*data, "delete", "job", _RESTORED, "--wait=true")
        if said.strip() != "before the restore":
            raise Problem(f"What was restored says {said.strip()!r}.", "See docs/backups.md.")
        return "what was written before it is in it"

    def _has_begun(self) -> bool:
        jobs = json.loads(self._kubectl("-n", self._area("data"), "get", "jobs", "-o", "json"))["items"]
        return any(
            each["metadata"]["name"].startswith("postgres-backups-begin-") and each["status"].get("succeeded")
            for each in jobs
        )

    def _restored(self, pod: str) -> bool:
        jobs = json.loads(self._kubectl("-n", self._area("data"), "get", "job", _RESTORED, "-o", "json"))
        if jobs["status"].get("failed"):
            said = self._kubectl("-n", self._area("data"), "logs", f"job/{_RESTORED}", "--all-pods", "--tail=60")
            raise Problem(f"The restore failed:\n{said}", "See docs/backups.md.")
        return bool(self._ready("data", pod))

    def _serves(self) -> bool:
        """Whether any pod of the application says that it, its stores and its uploads are well."""
        pods = self._ready("app", "app.kubernetes.io/name=app")
        asked = ("curl", "--fail", "--silent", "--max-time", "10", "http://127.0.0.1:8080/api/health")
        return bool(pods) and self._try("-n", self._area("app"), "exec", pods[0], "-c", "nginx", "--", *asked)

    def _sql(self, statement: str) -> str:
        primary = self._ready("data", "vision-week/role=primary")[0]
        return self._in("data", primary, "postgres", *_psql(statement), "vision_week")

    def _ready(self, area: str, selector: str) -> list[str]:
        """Names of the pods that are ready and stay."""
        listed = json.loads(self._kubectl("-n", self._area(area), "get", "pods", "-l", selector, "-o", "json"))
        return [
            each["metadata"]["name"]
            for each in listed["items"]
            if "deletionTimestamp" not in each["metadata"]
            and any(one["type"] == "Ready" and one["status"] == "True" for one in each["status"].get("conditions", ()))
        ]

    def _in(self, area: str, pod: str, container: str, *command: str) -> str:
        return self._kubectl("-n", self._area(area), "exec", pod, "-c", container, "--", *command)

    def _await(self, what: str, condition: Callable[[], bool]) -> None:
        if not wait(condition, _TIME):
            pods = self._kubectl("get", "pods", "-A", "-o", "wide")
            raise Problem(f"{what} isn't well after {_TIME} s:\n{pods}", "See what its pods say.")

    def _area(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def _kubectl(self, *words: str, given: str | None = None) -> str:
        done = self._run(words, given)
        if done.returncode != 0:
            raise Problem(f"`kubectl {' '.join(words)}` failed: {done.stderr.strip()}", "See what the pods say.")
        return done.stdout

    def _try(self, *words: str) -> bool:
        return self._run(words, None).returncode == 0

    def _run(self, words: tuple[str, ...], given: str | None) -> subprocess.CompletedProcess[str]:
        with state_at(self.state):
            config = f"--kubeconfig={layout.kubeconfig()}"
        command = [str(toolchain.binary("kubectl")), config, "--request-timeout=60s", *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False)

    def _objects(self, bucket: str) -> list[str]:
        answer = httpx.get(f"{layout.BUCKETS}/storage/v1/b/{bucket}/o", trust_env=False, timeout=30)
        return [each["name"] for each in answer.json().get("items", ())]


def _psql(statement: str) -> tuple[str, ...]:
    return ("psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--command={statement}")
