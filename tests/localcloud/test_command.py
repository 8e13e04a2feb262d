"""What a person types and what comes back: the targets of the Makefile, and the words of a failure."""

import os
import subprocess
from pathlib import Path

import pytest

from localcloud import cluster, paths


def make(*targets: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `make -s` in the checkout."""
    return subprocess.run(
        ["make", "-s", *targets],
        cwd=paths.CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_alone_lists_every_target_with_a_line() -> None:
    listed = make().stdout
    targets = [
        line.split()[1] for line in Path(paths.CHECKOUT, "Makefile").read_text().splitlines() if ".PHONY" in line
    ]
    assert {"up", "down", "test", "lint", "preview", "status", "url", "kubeconfig", "env", "bench"} <= set(targets)
    for target in targets:
        assert f"make {target} " in listed


def test_without_a_local_cloud_the_way_out_is_named(tmp_path: Path) -> None:
    for target in ("url", "env", "preview"):
        done = make(target, XDG_STATE_HOME=str(tmp_path))
        assert done.returncode != 0
        assert done.stdout == ""
        assert "make up" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.cluster
def test_the_kubeconfigs_path_is_printed_alone() -> None:
    assert make("kubeconfig").stdout == f"{cluster.kubeconfig()}\n"


@pytest.mark.cluster
def test_plain_kubectl_and_pulumi_work_in_the_environment_that_is_printed() -> None:
    words = 'eval "$(make -s env)" && kubectl get nodes --output=name && pulumi stack ls && pulumi plugin ls'
    clean = {"PATH": os.defpath, "HOME": str(Path.home()), "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", words], cwd=paths.CHECKOUT, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "node/node-1\nnode/node-2\nnode/node-3\n" in done.stdout
    assert "kubernetes" in done.stdout


@pytest.mark.cluster
def test_status_names_every_part_and_finds_them_healthy() -> None:
    done = make("status")
    assert done.returncode == 0, done.stderr
    for part in ("vision-week-control-plane", "vision-week-registry", "node-1", "node-2", "node-3", "API server"):
        assert part in done.stderr
