"""`make dev` beside a test: it runs until the block ends, and what it says is kept."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import wait_for

# From a file with this text in the place of the other, /health says a word of the test's own.
HEALTH = "app/src/Health/HealthRoutes.php"
OK = "Response::json(['status' => 'ok'])"


@dataclass
class Dev:
    """What runs. said: its lines, so far."""

    process: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)

    def interrupt(self) -> int:
        """Press Ctrl-C, and give the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


@contextmanager
def dev(checkout: Path, settings: Path, environment: Mapping[str, str] | None = None) -> Iterator[Dev]:
    """Watch a checkout for the stack of this file. The block begins when the pods have what the checkout has."""
    command = [".venv/bin/python", "-u", "-m", "operations.dev", "--file", str(settings)]
    with subprocess.Popen(
        command,
        cwd=checkout,
        env=environment or os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        running = Dev(process)
        threading.Thread(target=_listen, args=(running,), daemon=True).start()
        try:
            wait_for(lambda: process.poll() is not None or "Watching" in "".join(running.said), "make dev to watch")
            assert process.poll() is None, running.said
            yield running
        finally:
            process.kill()


def _listen(running: Dev) -> None:
    assert running.process.stdout is not None
    for line in running.process.stdout:
        running.said.append(line)


def saying(checkout: Path, word: str) -> None:
    """Save the file so that /health says this word."""
    original = (Path(__file__).resolve().parents[2] / HEALTH).read_text()
    assert original.count(OK) == 1
    (checkout / HEALTH).write_text(original.replace(OK, OK.replace("'ok'", f"'{word}'")))
