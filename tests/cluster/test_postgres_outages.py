"""PostgreSQL where what it stands on fails: the API server that Patroni decides by, the primary's machine, the place of
a replica.

Drills, with the local cloud's machines frozen: whoever talks to one waits, as for a machine that hangs.
"""

import subprocess
import time

import pytest

from localcloud.cluster import layout
from tests.cluster.database import inside, members, node_of, primary, psql, whole
from tests.cluster.machines import frozen
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.writes import Writes
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

DATA = f"{PREFIX}-data"


def test_the_api_server_is_away_and_nobody_notices(stack: Stack, writes: Writes) -> None:
    """Patroni can't renew the lease, sees all other members, and keeps the primary: `failsafe_mode`."""
    old = primary(stack)
    with frozen(layout.CONTROL_PLANE):
        time.sleep(120)
    wait_for(api_answers, "the API server to be back")
    whole(stack)
    assert writes.failures == []
    assert primary(stack) == old


def api_answers() -> bool:
    return subprocess.run(["kubectl", "get", "--raw", "/readyz"], capture_output=True, check=False).returncode == 0


def test_the_primarys_node_freezes_and_thaws(stack: Stack, writes: Writes) -> None:
    """Its lease ends, another takes over; the one that thaws has lost it, confirms nothing and comes back."""
    old = primary(stack)
    (node,) = (one for one in layout.NODES if one.name == node_of(stack, old))
    with frozen(node.container):
        writes.break_off_and_resume()
        assert primary(stack) != old
    whole(stack)
    assert primary(stack) != old


def test_a_replica_that_stays_away_is_given_up_and_copied_anew(stack: Stack, writes: Writes) -> None:
    """No node takes its pod while more is written than is kept for it; by the page's command it is back."""
    away = next(name for name in members(stack) if name != primary(stack))
    slot = f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{away.replace('-', '_')}'"  # noqa: S608
    names = [node.name for node in layout.NODES]
    stack.kubectl("cordon", *names)
    try:
        stack.kubectl("-n", DATA, "delete", "pod", away)
        # A commit waits for the replica that is left, so that it is never behind by more than one of these.
        wal = "SELECT count(pg_logical_emit_message(true, 'wal', repeat('x', 1000000))) FROM generate_series(1, 40)"

        def given_up() -> bool:
            psql(stack, wal)
            psql(stack, "CHECKPOINT")
            return psql(stack, slot) == "lost"

        wait_for(given_up, "its slot to be given up")
        writes.go_on()
    finally:
        stack.kubectl("uncordon", *names)
    refused = "has already been removed"
    wait_for(lambda: refused in stack.tried("-n", DATA, "logs", away, "-c", "postgres"), "it to be refused")
    inside(stack, primary(stack), "patronictl", "-c", "/etc/patroni", "reinit", "--force", "postgres", away)
    whole(stack)
