"""The policies' enforcer, apart from a cluster: its own tests, written in its language beside it."""

import subprocess

import pytest

from localcloud import toolchain
from localcloud.toolchain import go


def test_the_enforcers_own_tests_pass() -> None:
    """What each form of a policy's rule becomes, whose an address is, and that nothing known is forgotten for older."""
    done = subprocess.run(
        [go.command(), "test", "-count=1", "./..."],
        cwd=toolchain.SOURCES / "policy-enforcer",
        env=go.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr)
