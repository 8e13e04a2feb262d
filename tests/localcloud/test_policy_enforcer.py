"""Programs of the cluster's, apart from one: their own tests, written in their language beside them."""

import subprocess

import pytest

from localcloud import toolchain
from localcloud.toolchain import go


@pytest.mark.parametrize(
    "program",
    [
        # What each form of a policy's rule becomes, whose an address is, and that nothing known is forgotten for older.
        "policy-enforcer",
        # Who is told what by the metadata server, and who may do what with a bucket.
        "google-stand-in",
        # What a volume's mount options become.
        "gcsfuse",
    ],
)
def test_a_programs_own_tests_pass(program: str) -> None:
    done = subprocess.run(
        [go.command(), "test", "-count=1", "./..."],
        cwd=toolchain.SOURCES / program,
        env=go.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr)
