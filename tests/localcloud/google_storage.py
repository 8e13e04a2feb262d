"""A stand-in for Cloud Storage: another program that answers the same requests (fake-gcs-server)."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud import toolchain
from tests.app.processes import answers, free_port
from tests.waiting import wait_for


@contextmanager
def serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Google's library asks it instead of Google, on this machine."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory", "-log-level", "error"]
    # Under the name that it is asked by: some libraries read objects by their path alone.
    words += ["-public-host", f"127.0.0.1:{port}"]
    with subprocess.Popen([str(toolchain.binary("fake-gcs-server")), *words, "-data", str(folder)]) as process:
        try:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
            wait_for(lambda: answers(port), "the server")
            yield
        finally:
            process.terminate()
