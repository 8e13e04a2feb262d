"""What a person types and what comes back: the targets of the Makefile, and the words of a failure."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import cluster, paths
from tests.waiting import wait_for

OTHERS = {"PULUMI_CONFIG_PASSPHRASE": "of another project", "PULUMI_STACK": "elsewhere", "PULUMI_ACCESS_TOKEN": "pul-1"}


def make(*targets: str, checkout: Path = paths.CHECKOUT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `make -s` in a checkout."""
    return subprocess.run(
        ["make", "-s", *targets],
        cwd=checkout,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def shell(words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run words in a person's shell, in which nothing of ours is set."""
    clean = {"PATH": os.defpath, "HOME": str(Path.home()), "LANG": "C.UTF-8", **environment}
    return subprocess.run(
        ["bash", "-c", words], cwd=paths.CHECKOUT, env=clean, capture_output=True, text=True, check=False
    )


def test_make_alone_lists_every_target_with_a_line() -> None:
    listed = make().stdout
    targets = [
        line.split()[1] for line in Path(paths.CHECKOUT, "Makefile").read_text().splitlines() if ".PHONY" in line
    ]
    assert {"up", "down", "test", "lint", "preview", "status", "url", "kubeconfig", "env", "bench"} <= set(targets)
    for target in targets:
        assert f"make {target} " in listed


def test_every_command_explains_itself() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "localcloud", "--help"], cwd=paths.CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    for command in ("up", "down", "status", "preview", "url", "ca", "kubeconfig", "env", "run", "prepare"):
        assert f" {command} " in listed


def test_without_a_local_cloud_the_way_out_is_named(tmp_path: Path) -> None:
    for target in ("url", "ca", "kubeconfig", "env", "preview", "status"):
        done = make(target, XDG_STATE_HOME=str(tmp_path))
        assert done.returncode != 0
        assert done.stdout == ""
        assert "make up" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_misspelt_stack_is_refused_and_not_made(tmp_path: Path) -> None:
    done = make("preview", "STACK=developmnet", XDG_STATE_HOME=str(tmp_path))
    assert done.returncode != 0
    assert "no Pulumi.developmnet.yaml. It has development, production, staging." in done.stderr
    assert "Did you mean development?" in done.stderr
    assert list(tmp_path.rglob("*.json")) == []


def test_what_is_no_command_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "localcloud", "upp"], cwd=paths.CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'upp'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("whole_group", [True, False], ids=["as a terminal does", "to the command alone"])
def test_an_interrupt_ends_it_with_the_way_to_go_on(
    tmp_path: Path, number: signal.Signals, code: int, whole_group: bool
) -> None:
    gocache = subprocess.check_output(["go", "env", "GOCACHE"], text=True).strip()
    settings = {"XDG_CACHE_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "GOCACHE": gocache}
    with subprocess.Popen(
        [sys.executable, "-m", "localcloud", "up"],
        cwd=paths.CHECKOUT,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # What a shell runs in its background is deaf to interrupts, and so is what that starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  nothing else runs here
    ) as process:
        wait_for(lambda: list(tmp_path.glob("vision-week/toolchain/.*-*/")), "the first build to begin", every=0.01)
        if whole_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "✗ Toolchain" in said
    assert said.endswith("Interrupted. The same command carries on from here.\n")
    assert "Traceback" not in said
    assert list(tmp_path.glob("vision-week/toolchain/.*-*/")) == []


def test_an_environment_that_is_a_link_is_not_emptied(tmp_path: Path) -> None:
    """Making it anew removed all that the link led to."""
    for name in ("Makefile", "requirements-dev.txt"):
        shutil.copy(paths.CHECKOUT / name, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (tmp_path / ".venv").symlink_to("elsewhere")
    done = make("status", checkout=tmp_path)
    assert done.returncode != 0
    assert "What to do: remove the link (`rm .venv`)" in done.stderr
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_packages_that_can_not_be_had_are_told_with_the_way_out(tmp_path: Path) -> None:
    """A new user's first command, on a machine without a network: the discard port has no listener."""
    for name in ("Makefile", "requirements-dev.txt"):
        shutil.copy(paths.CHECKOUT / name, tmp_path)
    done = make("url", checkout=tmp_path, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", no_proxy="*")
    assert done.returncode != 0
    assert "The Python packages can't be installed." in done.stderr
    assert "check the network and pip's index" in done.stderr
    assert not (tmp_path / ".venv" / ".ready").exists()


@pytest.mark.cluster
def test_the_kubeconfigs_path_is_printed_alone() -> None:
    assert make("kubeconfig").stdout == f"{cluster.kubeconfig()}\n"


@pytest.mark.cluster
def test_plain_kubectl_and_pulumi_work_in_the_environment_that_is_printed() -> None:
    done = shell('eval "$(make -s env)" && kubectl get nodes --output=name && pulumi stack ls && pulumi plugin ls')
    assert done.returncode == 0, done.stderr
    assert "node/node-1\nnode/node-2\nnode/node-3\n" in done.stdout
    assert "kubernetes" in done.stdout


@pytest.mark.cluster
def test_settings_of_the_persons_other_stacks_stay_out_of_ours() -> None:
    """A passphrase in the shell won over that of the local stacks: `incorrect passphrase`, at every command."""
    words = "; ".join(f'echo "${{{name}-unset}}"' for name in OTHERS)
    assert shell(f'eval "$(make -s env)"; {words}', **OTHERS).stdout.split() == ["unset"] * len(OTHERS)
    done = subprocess.run(
        [sys.executable, "-m", "localcloud", "run", "--", "sh", "-c", words],
        cwd=paths.CHECKOUT,
        env={**os.environ, **OTHERS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["unset"] * len(OTHERS)


@pytest.mark.cluster
def test_a_command_that_is_run_keeps_its_exit_code_and_a_missing_one_is_said() -> None:
    run = [sys.executable, "-m", "localcloud", "run", "--"]
    assert subprocess.run([*run, "sh", "-c", "exit 7"], cwd=paths.CHECKOUT, check=False).returncode == 7
    done = subprocess.run([*run, "no-such-command"], cwd=paths.CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "There is no command no-such-command." in done.stderr


@pytest.mark.cluster
def test_status_names_every_part_and_finds_them_healthy() -> None:
    done = make("status")
    assert done.returncode == 0, done.stderr
    for part in ("vision-week-control-plane", "vision-week-registry", "node-1", "node-2", "node-3", "API server"):
        assert part in done.stderr
    assert "stack development" in done.stderr
