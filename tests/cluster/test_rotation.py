"""Another generation of passwords, and nobody at the edge notices (S7.3)."""

import pytest

from tests.cluster import store
from tests.cluster.crowd import Gather
from tests.cluster.database import psql
from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

# The last old pod may take over a minute to end, and the word of it as long to reach the members.
_PATIENCE = 300


def test_passwords_change_twice_and_no_request_fails(stack: Stack, gather: Gather) -> None:
    """The application logs in anew for each request: one that had a name or a password too early or too late fails. The
    second time it is the turn of the role that nobody could log in as meanwhile."""
    for _ in range(2):
        passwords_change_unnoticed(stack, gather)


def passwords_change_unnoticed(stack: Stack, gather: Gather) -> None:
    generation = stack.generation() + 1
    turn = "a" if generation % 2 else "b"
    started = starts(stack)
    known = redis_password(stack)
    assert user(stack) != f"vision_week_app_{turn}"
    stack.set("secrets.generation", generation)
    with gather() as crowd:
        stack.pulumi("up", "--yes", "--skip-preview")
        assert user(stack) == f"vision_week_app_{turn}"
        ask = "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL AND rolname LIKE 'vision%'"
        wanted = {f"vision_week_app_{turn}", f"vision_week_owner_{turn}"}
        wait_for(lambda: set(psql(stack, ask).split()) == wanted, "the other passwords to end", _PATIENCE, every=1)
    crowd.noticed_nothing()
    assert redis_password(stack) != known
    # No member was rolled for it.
    assert starts(stack) == started


def starts(stack: Stack) -> list[str]:
    """What tells a PostgreSQL and each Redis that run from those that were started again."""
    servers = [store.command(stack, name, "INFO", "server") for name in sorted(store.members(stack))]
    runs = [line for said in servers for line in said.splitlines() if line.startswith("run_id:")]
    return [psql(stack, "SELECT pg_postmaster_start_time()"), *runs]


def redis_password(stack: Stack) -> str:
    """A digest of the one that the application's pods have."""
    inside = ["exec", "deploy/app", "-c", "php", "--", "sha256sum", "/etc/vision-week/secrets/redis-password"]
    return stack.kubectl("-n", f"{PREFIX}-app", *inside).split()[0]


def user(stack: Stack) -> str:
    """The role that the application's pods log in as."""
    inside = ["exec", "deploy/app", "-c", "php", "--", "printenv", "DATABASE_USER"]
    return stack.kubectl("-n", f"{PREFIX}-app", *inside).strip()
