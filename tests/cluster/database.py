"""PostgreSQL's members in the test stack: who is primary, whether all is well, a statement at the primary."""

import json

from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

MEMBERS = 3
_ROLE = "vision-week/role"


def members(stack: Stack) -> list[str]:
    """The names of the pods."""
    return [pod["metadata"]["name"] for pod in stack.objects("data", "pods", "app.kubernetes.io/name=postgres")]


def primary(stack: Stack) -> str:
    """The name of the primary's pod, as soon as there is one: where the Service leads, and who holds the lease."""
    return wait_for(lambda: str(_record(stack, "postgres").get("leader", "")), "a primary")


def node_of(stack: Stack, member: str) -> str:
    """The node that a member runs on."""
    (pod,) = (one for one in stack.objects("data", "pods") if one["metadata"]["name"] == member)
    node: str = pod["spec"]["nodeName"]
    return node


def inside(stack: Stack, member: str, *command: str) -> str:
    """Run a command in a member's container and give what it printed."""
    return stack.kubectl("-n", f"{PREFIX}-data", "exec", member, "-c", "postgres", "--", *command).strip()


def psql(stack: Stack, statement: str, member: str | None = None) -> str:
    """What a statement gives at a member, the primary if none is named; as the superuser."""
    command = ["psql", "--dbname=vision_week", "--tuples-only", "--no-align", f"--command={statement}"]
    return inside(stack, member or primary(stack), *command)


def whole(stack: Stack, patience: float = 180) -> None:
    """Wait until all members run, on one timeline, and one of the replicas confirms what is written.

    What is asked is Patroni itself: a pod may be ready and its replica still look for the new primary.
    """

    def all_is_well() -> bool:
        pods = stack.objects("data", "pods", f"app.kubernetes.io/name=postgres,{_ROLE}")
        if len(pods) < MEMBERS or any("deletionTimestamp" in pod["metadata"] for pod in pods):
            return False
        states = [json.loads(pod["metadata"]["annotations"]["status"]) for pod in pods]
        ready = [one["ready"] for pod in pods for one in pod["status"].get("containerStatuses", [{"ready": False}])]
        standing = sorted((state["role"], state["state"], state.get("replication_state", "")) for state in states)
        return (
            all(ready)
            and len({state.get("timeline") for state in states}) == 1
            and standing == [("primary", "running", ""), *[("replica", "running", "streaming")] * (MEMBERS - 1)]
            and _confirming(stack) == 1
        )

    wait_for(all_is_well, "PostgreSQL's members to be whole", patience=patience, every=0.5)


def _record(stack: Stack, name: str) -> dict[str, str]:
    """What Patroni has written into one of its Endpoints."""
    written = {
        one["metadata"]["name"]: one["metadata"].get("annotations", {}) for one in stack.objects("data", "endpoints")
    }
    record: dict[str, str] = written.get(name, {})
    return record


def _confirming(stack: Stack) -> int:
    """Replicas that a commit waits for."""
    names = _record(stack, "postgres-sync").get("sync_standby", "")
    return len([name for name in names.split(",") if name])
