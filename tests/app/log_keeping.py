"""Loki as a process, as the platform configures it, and the collector that brings lines to it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from components.monitoring import loki
from operations.delivery.log_store import Kept, LogStore, question
from tests.app.collecting import NAMESPACES, Node
from tests.waiting import wait_for


class Keeping(Node):
    """A node with its collector, and Loki. bucket: that it keeps lines in; None where they are in its folder."""

    def __init__(self, folder: Path, bucket: str | None = None) -> None:
        super().__init__(folder, encoding="proto")
        self._bucket = bucket

    def loki_up(self) -> None:
        file = self.folder / "files/loki.yaml"
        (self.folder / "loki").mkdir(exist_ok=True)
        files, data = str(self.folder / "files"), str(self.folder / "loki")
        file.write_text(loki.configuration(180, 512, self.port, files, data, bucket=self._bucket))
        self.start("loki", f"-config.file={file}")

        def ready() -> bool:
            with self.client() as client:
                try:
                    return client.get("/ready").status_code == 200
                except httpx.HTTPError:
                    return False

        self.wait("loki", ready)

    def kept(self, least: int = 1) -> list[Kept]:
        """All lines of the last hour that are at least so bad, as `deploy.sh logs` asks for them."""
        now = time.time_ns()
        with self.client() as client:
            return list(LogStore(client).between(question(list(NAMESPACES), least), now - 3600 * 10**9, now + 10**9))

    @contextmanager
    def heard(self) -> Iterator[Iterator[Kept]]:
        """Lines from now on, as `deploy.sh logs --follow` asks for them."""
        with self.client() as client:
            yield LogStore(client).as_they_come(question(list(NAMESPACES), 1), time.time_ns())

    def found(self, text: str) -> Kept:
        """The line with this in it, once it is there."""

        def lines() -> list[Kept]:
            return [each for each in self.kept() if text in each.text]

        (line,) = wait_for(lines, f"a line with {text}", every=0.3)
        return line

    def client(self) -> httpx.Client:
        there = f"https://127.0.0.1:{self.port}"
        return httpx.Client(base_url=there, verify=False, trust_env=False, timeout=30)  # noqa: S501  made here


@contextmanager
def keeping(folder: Path, bucket: str | None = None) -> Iterator[Keeping]:
    """All of it, running."""
    made = Keeping(folder, bucket)
    try:
        made.loki_up()
        made.up()
        yield made
    finally:
        made.stop()
