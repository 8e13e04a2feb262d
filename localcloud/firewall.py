"""What an engine that is started does to the machine's network beyond its containers, so that it can be undone.

Docker turns forwarding on, makes it a matter of its own rules, and leaves all that behind when it stops. Where it was
started for the local cloud alone, the machine is put back as it was.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

BRIDGE = "docker0"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
USERS_CHAIN = "DOCKER-USER"


def remember() -> dict[str, str]:
    """What the machine does with packets for others, before an engine is started."""
    policy = next((rule.split()[2] for rule in _rules("filter") if rule.startswith("-P FORWARD ")), "ACCEPT")
    return {"forwarding": FORWARDING.read_text().strip(), "policy": policy}


def restore(before: Mapping[str, str]) -> list[str]:
    """Remove what an engine left behind that has stopped; say what went.

    Rules that the person put into the chain that Docker keeps for them stay, and with them the chain.
    """
    kept = () if _rules("filter", USERS_CHAIN)[1:] in ([], [f"-A {USERS_CHAIN} -j RETURN"]) else (USERS_CHAIN,)
    removed = [table for table in ("nat", "filter") if _clear(table, kept)]
    _iptables("filter", "-P", "FORWARD", before["policy"])
    FORWARDING.write_text(f"{before['forwarding']}\n")
    gone = [f"Docker's firewall rules ({', '.join(removed)})"] if removed else []
    if Path("/sys/class/net", BRIDGE).exists():
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
        gone.append(f"bridge {BRIDGE}")
    return gone


def _clear(table: str, kept: tuple[str, ...]) -> bool:
    """Remove the engine's chains from a table, and the rules that lead to them."""
    rules = [rule.split() for rule in _rules(table)]
    chains = [rule[1] for rule in rules if rule[0] == "-N" and rule[1].startswith("DOCKER") and rule[1] not in kept]
    for rule in rules:
        leads_there = any(chain in rule[2:] for chain in chains)
        if rule[0] == "-A" and rule[1] not in chains and (leads_there or BRIDGE in rule):
            _iptables(table, "-D", *rule[1:])
    for flag in ("-F", "-X"):
        for chain in chains:
            _iptables(table, flag, chain)
    return bool(chains)


def _rules(table: str, *chain: str) -> list[str]:
    return _iptables(table, "-S", *chain).splitlines()


def _iptables(table: str, *args: str) -> str:
    command = ["iptables", "--wait", "--table", table, *args]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:  # no firewall tool, no rules
        return ""
