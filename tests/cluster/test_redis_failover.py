"""Redis loses a process, a pod, a machine, its network or its data, and no write that a replica has confirmed (S5.3).

The bounds are there to end a test that hangs; how long writes pause is measured, and stands in the report at the end
(docs/redis.md has the numbers). The first test is of every `make test`; the others are drills.
"""

import os
import signal
import subprocess

import pytest

from localcloud.cluster import layout
from tests.cluster.database import node_of
from tests.cluster.machines import cut_off, first_process, frozen
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.store import fail_overs, look, members, primary, whole
from tests.cluster.stored_writes import StoredWrites
from tests.waiting import wait_for

pytestmark = pytest.mark.cluster

DATA = f"{PREFIX}-data"


def test_the_primary_of_redis_is_deleted_and_hands_over(stack: Stack, stored: StoredWrites) -> None:
    """And once only: the Sentinels that stay know of it before the one that led it goes with its member."""
    old, before = primary(stack), fail_overs(stack)
    stack.kubectl("-n", DATA, "delete", "pod", old, "--wait=false")
    stored.break_off_and_resume()
    whole(stack)
    assert primary(stack) != old
    assert fail_overs(stack) == before + 1


@pytest.mark.drill
def test_the_primary_of_redis_is_deleted_without_a_word(stack: Stack, stored: StoredWrites) -> None:
    old = primary(stack)
    stack.kubectl("-n", DATA, "delete", "pod", old, "--grace-period=0", "--force")
    stored.break_off_and_resume()


@pytest.mark.drill
def test_the_primary_of_redis_is_killed(stack: Stack, stored: StoredWrites) -> None:
    """It starts again with what it wrote down, or another takes over: whichever is quicker."""
    os.kill(first_process(stack, "data", primary(stack), "redis"), signal.SIGKILL)
    stored.break_off_and_resume()


@pytest.mark.drill
def test_the_primary_of_redis_hands_over_as_planned(stack: Stack, stored: StoredWrites) -> None:
    old = primary(stack)
    stack.kubectl("-n", DATA, "exec", old, "-c", "redis", "--", "sh", "/etc/redis/stop.sh")
    stored.break_off_and_resume()
    assert primary(stack) != old


@pytest.mark.drill
def test_the_node_of_redis_primary_freezes_and_thaws(stack: Stack, stored: StoredWrites) -> None:
    """The one that thaws doesn't know that it is primary no more, and is given no client."""
    old = primary(stack)
    with frozen(machine_of(stack, old)):
        stored.break_off_and_resume()
    whole(stack)
    assert primary(stack) != old


@pytest.mark.drill
def test_a_primary_that_is_cut_off_refuses_writes(stack: Stack, stored: StoredWrites) -> None:
    """Whoever is cut off with it could otherwise write what nobody keeps."""
    old = primary(stack)
    process = first_process(stack, "data", old, "redis")

    def refused() -> bool:
        script = '. /etc/redis/members.sh; redis-cli $tls -p "$port" set vision-week:drill:minority 1'
        inside = ["nsenter", f"--target={process}", "--all", "env", f"HOSTNAME={old}", "sh", "-c", script]
        return "NOREPLICAS" in subprocess.run(inside, capture_output=True, text=True, check=True).stdout

    with cut_off(machine_of(stack, old)):
        stored.break_off_and_resume()
        wait_for(refused, "a write that is refused on the minority's side")
    whole(stack)
    assert primary(stack) != old


@pytest.mark.drill
def test_a_primary_that_comes_back_empty_becomes_a_replica(stack: Stack, stored: StoredWrites) -> None:
    """Even where it is back before the others have missed it."""
    old = primary(stack)
    process = first_process(stack, "data", old, "redis")
    stack.kubectl("-n", DATA, "exec", old, "-c", "redis", "--", "sh", "-c", "rm -rf /data/*")
    os.kill(process, signal.SIGKILL)
    stored.break_off_and_resume()
    assert primary(stack) != old
    whole(stack)
    assert look(stack, old)["slave_priority"] == "100"


@pytest.mark.drill
def test_all_members_of_redis_are_killed_at_once_and_one_has_lost_its_data(stack: Stack, stored: StoredWrites) -> None:
    """The primary's volume is empty: who has the data becomes primary."""
    old = primary(stack)
    stack.kubectl("-n", DATA, "exec", old, "-c", "redis", "--", "sh", "-c", "rm -rf /data/*")
    stack.kubectl("-n", DATA, "delete", "pod", *members(stack), "--grace-period=0", "--force")
    stored.break_off_and_resume()
    assert primary(stack) != old


@pytest.mark.drill
def test_a_changed_configuration_is_rolled_out_while_clients_write(stack: Stack, stored: StoredWrites) -> None:
    stack.set("redis.backlog", "8Mi")
    try:
        stack.pulumi("up", "--yes", "--skip-preview")
        whole(stack)
        stored.go_on()
    finally:
        stack.set("redis.backlog", "16Mi")
        stack.pulumi("up", "--yes", "--skip-preview")


def machine_of(stack: Stack, member: str) -> str:
    (node,) = (one for one in layout.NODES if one.name == node_of(stack, member))
    return node.container
