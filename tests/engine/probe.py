"""A provider plugin that tests steer by files: it waits, fails, dies or finishes half, as each resource's inputs say.

`log` is a folder in which each operation leaves a file, `<name>.<operation>.<what>`: so tests know how far it came.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.plugins.provider import Create, Delete, Failed, Found, Incomplete, Provider, Read, Update
from localcloud.plugins.server import serve
from localcloud.plugins.values import UNKNOWN, Values, reveal, seal_like

_PATIENCE = 60  # seconds


class Probe(Provider):
    name = "probe"
    version = "1.2.3"

    def create(self, request: Create) -> tuple[str, Mapping[str, Any]]:
        if request.preview:
            return "", {**request.inputs, "made": UNKNOWN}
        return f"id-{request.resource.name}", self._do("create", request.resource.name, request.inputs)

    def update(self, request: Update) -> Mapping[str, Any]:
        if request.preview:
            return {**request.new, "made": UNKNOWN}
        return self._do("update", request.resource.name, request.new)

    def read(self, request: Read) -> Found | None:
        inputs = reveal(request.inputs)
        if (gone := inputs.get("gone")) and Path(gone).exists():
            return None
        return Found(request.id, request.inputs, request.outputs)

    def delete(self, request: Delete) -> None:
        self._do("delete", request.resource.name, request.outputs)

    def invoke(self, token: str, arguments: Values, preview: bool) -> Mapping[str, Any]:
        return {"token": token, "preview": preview, "arguments": arguments}

    def _do(self, operation: str, name: str, inputs: Mapping[str, Any]) -> Values:
        given = reveal(dict(inputs))
        log = Path(given["log"])
        (log / f"{name}.{operation}.begun").touch()
        outputs = {**inputs, "made": seal_like(f"{operation}d {given.get('value')}", inputs.get("value"))}
        behaviour = given.get("behaviour", {}).get(operation)
        if behaviour == "fail":
            raise Failed("it can't be done")
        if behaviour == "fault":
            raise ZeroDivisionError("nothing to divide by")
        if behaviour == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour == "incomplete":
            raise Incomplete(f"id-{name}", outputs, inputs, ["it was made", "it never became ready"])
        if behaviour == "wait":
            deadline = time.monotonic() + _PATIENCE
            while not (log / f"{name}.go").exists():
                if self.cancelled.wait(0.02):
                    raise Failed("cancelled while waiting")
                if time.monotonic() > deadline:
                    sys.exit("nobody said go")
        (log / f"{name}.{operation}.done").touch()
        return outputs


if __name__ == "__main__":
    serve(Probe())
