"""Redis's members in the test stack: who is primary, whether all is well, a command at a member."""

import re
from concurrent.futures import ThreadPoolExecutor

from tests.cluster.stack import PREFIX, Stack
from tests.waiting import wait_for

MEMBERS = 3
# A member's own view of itself and of the others: its Redis, and its Sentinel's.
_LOOK = """
. /etc/redis/members.sh
echo "own:$own"
here info replication
sentinel() { cli -p "$sentinel_port" --raw sentinel "$1" vision-week; }
echo "named:$(sentinel get-master-addr-by-name | head -n 1)"
echo "quorum:$(sentinel ckquorum)"
echo "replicas:$(sentinel replicas | grep -A 1 -x flags | grep -cx slave)"
"""


def members(stack: Stack) -> list[str]:
    """The names of the pods."""
    return [pod["metadata"]["name"] for pod in stack.objects("data", "pods", "app.kubernetes.io/name=redis")]


def look(stack: Stack, member: str) -> dict[str, str]:
    """What a member says of itself; nothing where it doesn't answer."""
    command = ["exec", member, "-c", "sentinel", "--", "sh", "-c", _LOOK]
    return dict(re.findall(r"^(\w+):(.*)$", stack.tried("-n", f"{PREFIX}-data", *command), re.MULTILINE))


def primary(stack: Stack) -> str:
    """The name of the primary's pod, as soon as there is one that has replicas."""

    def found() -> str | None:
        seen = {name: look(stack, name) for name in members(stack)}
        return next(
            (
                name
                for name, said in seen.items()
                if said.get("role") == "master" and said.get("connected_slaves") != "0"
            ),
            None,
        )

    return wait_for(found, "a primary of Redis")


def command(stack: Stack, member: str, *words: str) -> str:
    """Ask a member's Redis."""
    script = '. /etc/redis/members.sh; exec redis-cli $tls -p "$port" --raw "$@"'
    return stack.kubectl(
        "-n", f"{PREFIX}-data", "exec", member, "-c", "redis", "--", "sh", "-c", script, "sh", *words
    ).strip()


def fail_overs(stack: Stack) -> int:
    """How often another member has become primary, as the Sentinels count it."""
    script = '. /etc/redis/members.sh; cli -p "$sentinel_port" --raw sentinel master vision-week'
    inside = ["exec", primary(stack), "-c", "sentinel", "--", "sh", "-c", script]
    said = stack.kubectl("-n", f"{PREFIX}-data", *inside).split()
    return int(said[said.index("config-epoch") + 1])


def whole(stack: Stack, patience: float = 180) -> None:
    """Wait until all members are ready, in step with one primary, and every Sentinel knows all of that."""

    def all_is_well() -> bool:
        pods = stack.objects("data", "pods", "app.kubernetes.io/name=redis")
        ready = [
            all(each["ready"] for each in pod["status"].get("containerStatuses", [{"ready": False}])) for pod in pods
        ]
        if len(pods) < MEMBERS or not all(ready) or any("deletionTimestamp" in pod["metadata"] for pod in pods):
            return False
        with ThreadPoolExecutor() as pool:
            seen = list(pool.map(lambda pod: look(stack, pod["metadata"]["name"]), pods))
        primaries = [said for said in seen if said.get("role") == "master"]
        return (
            len(primaries) == 1
            and primaries[0].get("connected_slaves") == str(MEMBERS - 1)
            and all(said.get("master_link_status") == "up" for said in seen if said not in primaries)
            and {said.get("named") for said in seen} == {primaries[0].get("own")}
            and all(said.get("quorum", "").startswith(f"OK {MEMBERS} usable") for said in seen)
            and all(said.get("replicas") == str(MEMBERS - 1) for said in seen)
        )

    wait_for(all_is_well, "Redis's members to be whole", patience=patience, every=0.5)
