"""PostgreSQL loses a process, a pod, a node's place or a volume, and no write that it acknowledged (S5, beyond).

The bounds are there to end a test that hangs; how long writes pause is measured, and stands in the report at the end
(docs/postgres.md has the numbers). The first test is of every `make test`; the others are drills.
"""

import os
import signal

import httpx
import pytest

from tests.cluster.database import MEMBERS, inside, members, node_of, primary, psql, whole
from tests.cluster.machines import first_process
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.writes import Writes
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

DATA = f"{PREFIX}-data"


def test_the_primarys_pod_is_deleted_and_another_member_takes_over(
    stack: Stack, writes: Writes, client: httpx.Client
) -> None:
    """The writer goes to the primary itself, the application to the pooler beside it."""
    old = primary(stack)
    stack.kubectl("-n", DATA, "delete", "pod", old, "--wait=false")
    writes.break_off_and_resume()
    assert primary(stack) != old
    wait_for(lambda: client.get("/api/exhibits").status_code == 200, "the application to have its database")


@pytest.mark.drill
def test_the_primarys_container_is_killed(stack: Stack, writes: Writes) -> None:
    """With all that runs in it, Patroni first: nobody says goodbye."""
    os.kill(first_process(stack, "data", primary(stack), "postgres"), signal.SIGKILL)
    writes.break_off_and_resume()


@pytest.mark.drill
def test_the_primarys_postmaster_is_killed(stack: Stack, writes: Writes) -> None:
    """Patroni is there and sees it: it starts PostgreSQL again or hands over."""
    inside(stack, primary(stack), "sh", "-c", 'kill -9 "$(head -n 1 "$PGDATA/postmaster.pid")"')
    writes.break_off_and_resume()


@pytest.mark.drill
def test_the_primary_hands_over_as_planned(stack: Stack, writes: Writes) -> None:
    old = primary(stack)
    inside(stack, old, "patronictl", "-c", "/etc/patroni", "switchover", "--force", "--primary", old)
    writes.break_off_and_resume()
    assert primary(stack) != old


@pytest.mark.drill
def test_the_primarys_node_is_drained(stack: Stack, writes: Writes) -> None:
    """Of PostgreSQL; the pod finds another node."""
    old = primary(stack)
    node = node_of(stack, old)
    try:
        stack.kubectl(
            "drain",
            node,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--timeout=180s",
            "--pod-selector=app.kubernetes.io/name=postgres",
        )
        writes.break_off_and_resume()
        whole(stack)
        assert node_of(stack, old) != node
    finally:
        stack.kubectl("uncordon", node)


@pytest.mark.drill
def test_a_replica_that_loses_its_volume_copies_the_primary(stack: Stack, writes: Writes) -> None:
    """By itself, and while writes go on."""
    lost = next(name for name in members(stack) if name != primary(stack))
    before = psql(stack, "SELECT pg_postmaster_start_time()", lost)
    stack.kubectl("-n", DATA, "delete", "pvc", f"data-{lost}", "--wait=false")
    stack.kubectl("-n", DATA, "delete", "pod", lost)
    whole(stack)
    writes.go_on()
    assert psql(stack, "SELECT pg_postmaster_start_time()", lost) != before
    assert psql(stack, "SELECT pg_is_in_recovery()", lost) == "t"


@pytest.mark.drill
def test_all_members_are_killed_at_once(stack: Stack, writes: Writes) -> None:
    """What was acknowledged is on two disks, and the member that begins again has it."""
    every = members(stack)
    assert len(every) == MEMBERS
    stack.kubectl("-n", DATA, "delete", "pod", *every, "--grace-period=0", "--force")
    writes.break_off_and_resume()
