"""What Docker leaves in the firewall goes with it; what the person put there stays."""

import subprocess
import sys

import pytest

from localcloud import paths

# Making a network namespace takes root, as the cluster does.
pytestmark = pytest.mark.cluster

# What dockerd 20.10 makes when it starts, on a machine that forwards nothing.
DOCKERS = """
ip link add docker0 type bridge
iptables -t nat -N DOCKER
iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
iptables -P FORWARD DROP
iptables -N DOCKER
iptables -N DOCKER-USER
iptables -A DOCKER-USER -j RETURN
iptables -A FORWARD -j DOCKER-USER
iptables -A FORWARD -o docker0 -j DOCKER
"""


def after(*before_restoring: str) -> list[str]:
    """The rules that are left when Docker's were undone, in a network namespace that ends with the test."""
    program = "from localcloud import firewall; import subprocess, sys\n"
    program += "before = firewall.remember()\n"
    program += "subprocess.run(['sh', '-ec', sys.argv[1]], check=True)\n"
    program += "print(firewall.restore(before), file=sys.stderr)\n"
    program += "subprocess.run(['iptables-save'], check=True)"
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program, DOCKERS + "\n".join(before_restoring)],
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bridge docker0" in done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("-A", ":FORWARD", ":DOCKER"))]


def test_nothing_of_dockers_is_left() -> None:
    assert after() == [":FORWARD ACCEPT [0:0]"]


def test_rules_of_others_stay() -> None:
    rule = "-A FORWARD -s 192.0.2.0/24 -j DROP"
    assert after(f"iptables {rule}") == [":FORWARD ACCEPT [0:0]", rule]


def test_what_a_person_put_into_dockers_chain_for_them_stays() -> None:
    left = after("iptables -I DOCKER-USER -s 192.0.2.0/24 -j DROP")
    assert "-A DOCKER-USER -s 192.0.2.0/24 -j DROP" in left
    assert "-A FORWARD -j DOCKER-USER" in left
