"""Another generation of passwords, under visitors and writers who notice nothing (S7.3)."""

from collections.abc import Callable

import httpx
import pytest

from tests.cluster.database import psql
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.visitors import member_adding, visitors
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

# The last old pod may take over a minute to end, and the word of it as long to reach the members.
_PATIENCE = 300


def test_passwords_change_and_change_back_and_no_request_fails(
    stack: Stack, visitor: Callable[..., httpx.Client], member: httpx.Client
) -> None:
    """The application connects anew for each request: one that had a name or a password too early or too late fails."""
    started = psql(stack, "SELECT pg_postmaster_start_time()")
    try:
        with visitors(visitor(), visitor(keep=False)) as visits, member_adding(member) as additions:
            for generation, role in ((2, "b"), (1, "a")):
                stack.set("secrets.generation", generation)
                stack.pulumi("up", "--yes", "--skip-preview")
                assert user(stack) == f"vision_week_app_{role}"
                wait_for_the_end_of_all_but(stack, role)
    finally:
        stack.unset("secrets")
    assert (visits.bad, additions.bad) == ([], [])
    assert min(visits.good, additions.good) > 0
    # No member was rolled for it.
    assert psql(stack, "SELECT pg_postmaster_start_time()") == started


def user(stack: Stack) -> str:
    """The role that the application's pods log in as."""
    inside = ["exec", "deploy/app", "-c", "php", "--", "printenv", "DATABASE_USER"]
    return stack.kubectl("-n", f"{PREFIX}-app", *inside).strip()


def wait_for_the_end_of_all_but(stack: Stack, role: str) -> None:
    """Until those of this turn are the only roles that may log in with a password."""
    ask = "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL AND rolname LIKE 'vision%'"
    wanted = {f"vision_week_app_{role}", f"vision_week_owner_{role}"}
    wait_for(lambda: set(psql(stack, ask).split()) == wanted, "the other passwords to end", _PATIENCE, every=1)
