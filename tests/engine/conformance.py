"""Fixtures of the tests of conformance: stacks whose provider is the plugin under test (`wire.py`)."""

from collections.abc import Callable, Iterator

import pytest

from localcloud.plugins.kubernetes.objects import field_of
from localcloud.plugins.provider import Incomplete
from localcloud.plugins.values import Values
from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.planes import Api
from tests.engine.waiting import Meanwhile
from tests.engine.wire import WiredStack
from tests.waiting import wait_for

Wire = Callable[..., WiredStack]


@pytest.fixture
def wire(plane: ControlPlane, api: Api) -> Iterator[Wire]:
    """Makes stacks in this test's namespace, with the settings that it gives."""
    made: list[WiredStack] = []

    def make(
        kubeconfig: str = "", namespace: str = "", variables: dict[str, str] | None = None, **settings: str
    ) -> WiredStack:
        made.append(WiredStack(kubeconfig or str(plane.kubeconfig), namespace or api.namespace, variables, **settings))
        return made[-1]

    yield make
    for stack in made:
        stack.close()


@pytest.fixture
def wired(wire: Wire) -> WiredStack:
    """A stack in this test's namespace."""
    return wire()


def unready(wired: WiredStack, api: Api, token: str, inputs: Values) -> Incomplete:
    """What is said of a workload that is given up when its newest pods have shown what becomes of them."""
    before = {pod["metadata"]["uid"] for pod in api.get("pods")["items"]}

    def shown() -> bool:
        pods = [pod for pod in api.get("pods")["items"] if pod["metadata"]["uid"] not in before]
        return bool(pods) and all(field_of(pod, "status", "conditions") for pod in pods)

    with Meanwhile(wired, token, inputs, timeout=300) as update:
        wait_for(shown, "the pods")
        wired.plugin.cancelled.set()
        error = update.result.exception(60)
    wired.restart()
    assert isinstance(error, Incomplete)
    return error
