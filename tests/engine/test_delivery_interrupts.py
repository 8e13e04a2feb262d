"""A delivery that is interrupted or killed in the midst of its update, on the real engine and API server (S9)."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.rehearsal.control_plane import ControlPlane
from operations.delivery import deploy
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import CHECKOUT, Target
from tests.engine.planes import Api
from tests.engine.project import STACK, Project
from tests.engine.test_recovery import PROGRAM, names
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

# The part of `deploy` from the lock to the end of the update, under what the command line does with signals.
DELIVERS = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
from operations.delivery import command, deploy
from operations.delivery.history import history
from operations.delivery.lock import locked
from operations.delivery.target import Target

folder, cluster = Path(sys.argv[1]), json.loads(sys.argv[2])
found = Target.named("development")
settings = found.settings.model_copy(update={"cluster": found.settings.cluster.model_validate(cluster)})
target = replace(found, stack="test", file=folder / "Pulumi.test.yaml", settings=settings, checkout=folder)

def delivers(prog_name):
    with locked(target):
        deploy._bring(target, len(history(target)), "deploy: {}")

command.app = delivers
command.main()
"""


class Delivery:
    """What delivers, in a process of its own."""

    def __init__(self, project: Project, plane: ControlPlane, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project, self._api = project, api
        for name, value in project.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", f"{project.home}/bin:{os.environ['PATH']}")
        (context,) = plane.config["contexts"]
        self._cluster = {"context": context["name"], "kubeconfig": str(plane.kubeconfig), "flavour": "existing"}
        self._settings = {"kubeconfig": str(plane.kubeconfig), "namespace": api.namespace, "image": "none"}
        self.write(waits=True)

    @property
    def target(self) -> Target:
        found = Target.named("development")
        settings = found.settings.model_copy(update={"cluster": found.settings.cluster.model_validate(self._cluster)})
        file = self.project.directory / f"Pulumi.{STACK}.yaml"
        return replace(found, stack=STACK, file=file, settings=settings, checkout=self.project.directory)

    def write(self, *, waits: bool) -> None:
        """waits: for pods that nothing on this cluster will ever run."""
        self.project.write(PROGRAM, {**self._settings, "skip": str(not waits).lower()})

    def start(self) -> subprocess.Popen[str]:
        """Until it waits for the pods of what it has made."""
        words = [sys.executable, "-c", DELIVERS, str(self.project.directory), json.dumps(self._cluster)]
        begun = subprocess.Popen(
            words, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_for(lambda: begun.poll() is not None or len(names(self._api)) == 1, "the object to be made")
        return begun

    def again(self) -> tuple[int, str]:
        """The same once more, to its end; its code, and what it has said."""
        words = [sys.executable, "-c", DELIVERS, str(self.project.directory), json.dumps(self._cluster)]
        done = subprocess.run(
            words, cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def forget(self) -> None:
        """Whoever had the delivery has it no more."""
        self.target.kubectl("-n", "default", "delete", "lease", f"vision-week-delivery-{STACK}", "--ignore-not-found")


@pytest.fixture
def delivery(project: Project, plane: ControlPlane, api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivery]:
    made = Delivery(project, plane, api, monkeypatch)
    yield made
    made.forget()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "as CI cancels"])
def test_an_interrupt_lets_the_update_end_in_good_order_and_the_same_command_carries_on(
    delivery: Delivery, api: Api, number: signal.Signals
) -> None:
    running = delivery.start()
    running.send_signal(number)
    _, said = running.communicate(timeout=120)
    assert running.returncode == Exit.INTERRUPTED, said
    assert "Interrupted. The same command carries on from here." in said
    assert not delivery.project.deployment().get("pending_operations")
    (made,) = names(api)
    delivery.write(waits=False)
    code, said = delivery.again()
    assert code == Exit.DONE, said
    assert names(api) == [made]


def test_a_delivery_that_was_killed_is_named_to_the_next_one_which_takes_nothing_back(
    delivery: Delivery, api: Api
) -> None:
    """Pulumi's own lock stays, which no preview minds: the next update was refused by it, and so was what should have
    taken that back."""
    running = delivery.start()
    for process in (running.pid, *engines(running.pid)):
        os.kill(process, signal.SIGKILL)
    running.communicate(timeout=120)
    (made,) = names(api)
    delivery.forget()  # as it is a minute later (tests/engine/test_delivery_lock.py)
    code, said = delivery.again()
    assert code == Exit.REFUSED
    assert "currently locked by 1 lock" in said
    assert "nothing was changed" in said
    assert f"pulumi cancel --stack {STACK}" in said
    assert names(api) == [made]


def engines(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children]


def test_a_wrong_passphrase_is_said_to_be_one_and_nothing_is_changed(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.write(waits=False)
    assert delivery.again()[0] == Exit.DONE
    before = delivery.project.state_file.read_text()
    wrong = tmp_path / "passphrase"
    wrong.write_text("another")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(wrong))
    with pytest.raises(DeliveryError, match="incorrect passphrase") as refused:
        deploy._agreed(delivery.target, lambda _: True)
    assert refused.value.code == Exit.REFUSED
    assert delivery.project.state_file.read_text() == before
