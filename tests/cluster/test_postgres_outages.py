"""PostgreSQL where what it stands on fails: the API server that Patroni decides by, and the primary's whole machine.

Drills, with the local cloud's machines frozen: whoever talks to one waits, as for a machine that hangs.
"""

import subprocess
import time

import pytest

from localcloud.cluster import layout
from tests.cluster.database import node_of, primary, whole
from tests.cluster.machines import frozen
from tests.cluster.stack import Stack
from tests.cluster.writes import Writes
from tests.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.drill]


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
