"""The backups of the test stack's PostgreSQL: what there is of them, and jobs at once instead of at their time."""

import json
import secrets
from typing import Any

import pytest

from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

DATA = f"{PREFIX}-data"


def info(stack: Stack) -> dict[str, Any]:
    """What pgBackRest says of the repository."""
    command = ["pgbackrest", "--stanza=main", "--output=json", "--log-level-console=warn", "info"]
    told = stack.kubectl("-n", DATA, "exec", "deploy/postgres-repository", "--", *command)
    (found,) = json.loads(told)
    one: dict[str, Any] = found
    return one


def made(stack: Stack) -> list[dict[str, Any]]:
    """The backups, oldest first."""
    backups: list[dict[str, Any]] = info(stack)["backup"]
    return backups


def new_job(stack: Stack, what: str, *, fails: bool = False) -> str:
    """Run one of the scheduled jobs to its end, and give what it said."""
    name = f"test-{what}-{secrets.token_hex(3)}"
    stack.kubectl("-n", DATA, "create", "job", name, f"--from=cronjob/postgres-backups-{what}")
    expected = "Failed" if fails else "Complete"

    def ended() -> str:
        (job,) = (one for one in stack.objects("data", "jobs") if one["metadata"]["name"] == name)
        found = [one["type"] for one in job["status"].get("conditions", []) if one["status"] == "True"]
        return next((one for one in found if one in {"Failed", "Complete"}), "")

    end = wait_for(ended, f"the job {what} to end", patience=240, every=0.5)
    said = stack.kubectl("-n", DATA, "logs", f"job/{name}", "--all-pods", "--prefix=false")
    stack.kubectl("-n", DATA, "delete", "job", name)
    if end != expected:
        pytest.fail(f"the job {what} is {end}:\n{said}")
    return said
