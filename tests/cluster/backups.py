"""The backups of the test stack's PostgreSQL: what there is of them, and jobs at once instead of at their time."""

import json
import secrets
from typing import Any

import pytest

from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

DATA = f"{PREFIX}-data"


def repository(stack: Stack, *command: str) -> str:
    """Run a command where the repository is."""
    return stack.kubectl("-n", DATA, "exec", "deploy/postgres-repository", "--", *command)


def info(stack: Stack) -> dict[str, Any]:
    """What pgBackRest says of the repository."""
    told = repository(stack, "pgbackrest", "--stanza=main", "--output=json", "--log-level-console=warn", "info")
    (found,) = json.loads(told)
    one: dict[str, Any] = found
    return one


def archived(stack: Stack, segment: str) -> None:
    """Wait until a segment of WAL, or a later one, is in the repository. The first eight digits of its name are the
    timeline's, which another primary begins anew."""

    def there() -> bool:
        latest = info(stack)["archive"][-1]["max"]
        return latest is not None and latest[8:] >= segment[8:]

    wait_for(there, f"{segment} to be archived", every=1)


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
