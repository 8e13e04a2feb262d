"""Updates that a test watches while they wait for something to become ready."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localcloud.plugins.kubernetes.errors import ApiError
from localcloud.plugins.provider import Incomplete
from localcloud.plugins.values import Values
from tests.engine.planes import Api, Stack
from tests.waiting import wait_for


def failure(stack: Stack, token: str, inputs: Values, timeout: float = 60) -> Incomplete:
    """What comes of an object that isn't ready in time, or can't ever be."""
    with pytest.raises(Incomplete) as error:
        stack.up(token, "it", inputs, timeout=timeout)
    return error.value


def given_up(stack: Stack, token: str, inputs: Values, sign: str) -> Incomplete:
    """What comes of an object when a person gives it up as soon as they read `sign`."""
    with Meanwhile(stack, token, inputs) as update:
        # Under load a pod fails before its controller has counted it.
        wait_for(lambda: any(sign in said and "has not seen it" not in said for said in stack.said), "the status")
        stack.provider.cancelled.set()
        error = update.result.exception(10)
    stack.restart()
    assert isinstance(error, Incomplete)
    return error


class Meanwhile:
    """An update that runs while the test goes on; it is given up when the test is."""

    def __init__(self, stack: Stack, token: str, inputs: Values, **options: Any) -> None:
        self._stack = stack
        self._pool = ThreadPoolExecutor(1)
        self.result: Future[Values] = self._pool.submit(stack.up, token, "it", inputs, **options)

    def __enter__(self) -> "Meanwhile":
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self._stack.provider.cancelled.set()
        self._pool.shutdown()


def exists(api: Api, path: str) -> bool:
    """Whether an object of the test's namespace is there."""
    try:
        api.get(path)
    except ApiError:
        return False
    return True


def plugins_of(parent: int) -> list[int]:
    """The Kubernetes plugins that this engine started."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().decode()
            parents = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parents) == parent and "localcloud.plugins.kubernetes" in command:
            found.append(int(folder.name))
    return found
