"""What the machine does to a command is told in words; a fault of ours keeps its traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from localcloud import paths
from localcloud.failures import understood


def caught(action: Callable[[], object]) -> Exception:
    """What really happens."""
    with pytest.raises(Exception) as failure:  # noqa: PT011  whichever the machine has for it
        action()
    return failure.value


def refused() -> object:
    """The discard port: nobody listens."""
    return httpx.get("http://127.0.0.1:9/apis", trust_env=False)


@pytest.mark.parametrize(
    ("action", "what", "way_out"),
    [
        (lambda: Path("/dev/full").write_text("x"), "No space left on device", "Make room"),
        (lambda: Path("/etc/hostname/x").write_text("x"), "/etc/hostname/x: Not a directory", "XDG_CACHE_HOME"),
        (lambda: subprocess.run(["no-such-command"], check=False), "no-such-command isn't there", "apt-get install"),
        (
            lambda: subprocess.run(["sleep", "9"], timeout=0.01, check=False),
            "`sleep 9` gave no answer",
            "run the same command",
        ),
        (
            lambda: subprocess.run(["sh", "-c", "echo why >&2; exit 3"], check=True, capture_output=True),
            "failed with exit code 3.\nwhy",
            "Mend what it names",
        ),
        (refused, "http://127.0.0.1:9 doesn't answer", "make status"),
    ],
)
def test_what_the_machine_does_is_a_problem_with_a_way_out(
    action: Callable[[], object], what: str, way_out: str
) -> None:
    problem = understood(caught(action))
    assert problem
    assert what in problem.what
    assert way_out in problem.hint


@pytest.mark.parametrize("fault", [KeyError("x"), TypeError("x"), AssertionError(), FileNotFoundError(2, "no", "/a/b")])
def test_a_fault_of_ours_is_none(fault: Exception) -> None:
    assert understood(fault) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [("ro", "Read-only file system"), ("size=4k,nr_inodes=2", "has 0.0 GiB free; building")],
)
def test_a_command_on_such_a_disk_says_so(tmp_path: Path, options: str, said: str) -> None:
    """It was a traceback that ended in `OSError: [Errno 28]`."""
    mount = f'mount -t tmpfs -o {options} tmpfs "$XDG_CACHE_HOME" && exec "$@"'
    alone = ["unshare", "--mount", "--propagation=private", "sh", "-c", mount, "sh"]
    done = subprocess.run(
        [*alone, sys.executable, "-m", "localcloud", "up"],
        cwd=paths.CHECKOUT,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "What to do:" in done.stderr
    assert "✗ Toolchain" in done.stderr
    assert "Traceback" not in done.stderr
