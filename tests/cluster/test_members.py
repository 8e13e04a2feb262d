"""Fewer members of PostgreSQL, and more again: nothing acknowledged is lost. Redis's come and find each other."""

import pytest

from tests.cluster import database, store
from tests.cluster.database import inside
from tests.cluster.stack import PREFIX, Stack
from tests.cluster.writes import Writes

pytestmark = [pytest.mark.cluster, pytest.mark.drill]

DATA = f"{PREFIX}-data"


def test_members_go_while_one_of_them_is_primary_and_come_again(stack: Stack, writes: Writes) -> None:
    if database.primary(stack) == "postgres-0":
        inside(stack, "postgres-0", "patronictl", "-c", "/etc/patroni", "switchover", "--force", "postgres")
    if store.primary(stack) == "redis-0":
        stack.kubectl("-n", DATA, "exec", "redis-0", "-c", "redis", "--", "sh", "/etc/redis/stop.sh")
    store.whole(stack)
    database.whole(stack)
    stack.set("postgres.members", 1)
    stack.set("redis.members", 1)
    try:
        refused = stack.pulumi("preview", check=False)
        assert refused.returncode != 0
        assert "Redis has fewer members than before" in refused.stdout + refused.stderr
        stack.kubectl("annotate", "namespace", DATA, "vision-week/fewer-members=redis")
        stack.pulumi("up", "--yes", "--skip-preview")
        writes.go_on()
        assert database.primary(stack) == "postgres-0"
        # PostgreSQL's went on without those that are gone, who would ask for more than is kept; Redis copies all.
        claims = [f"data-postgres-{number}" for number in range(1, database.MEMBERS)]
        stack.kubectl("-n", DATA, "delete", "pvc", *claims)
    finally:
        stack.set("postgres.members", database.MEMBERS)
        stack.set("redis.members", store.MEMBERS)
        stack.kubectl("annotate", "namespace", DATA, "vision-week/fewer-members-")
        stack.pulumi("up", "--yes", "--skip-preview")
    store.whole(stack)
