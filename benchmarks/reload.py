"""How soon an edited file is seen: from saving it to the first answer through the edge that has it (S10.1).

`make dev` runs in a checkout of the benchmark's own; the stack is the developer's.
"""

import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from benchmarks.commands import CHECKOUT, run
from benchmarks.program import local_environment
from tests.cluster.releases import copy_of_the_checkout
from tests.cluster.reloading import dev, saying
from tests.waiting import wait_for

TARGET = "2 s"


def measure(runs: int) -> Iterator[tuple[str, str, str]]:
    """What is edited, how long it took, the target."""
    settings = CHECKOUT / "Pulumi.development.yaml"
    url = httpx.URL(run(["make", "-s", "url"]).strip())
    authority = run(["make", "-s", "ca"]).strip()
    with tempfile.TemporaryDirectory(prefix="vision-week-reload-") as folder, _browser(url, authority) as browser:
        checkout = copy_of_the_checkout(Path(folder))
        page = checkout / "app/web/index.html"
        original = page.read_text()
        with dev(checkout, settings, local_environment()):
            for what, path, save in (
                ("PHP", "/health", lambda word: saying(checkout, word)),
                ("page", "/", lambda word: page.write_text(original.replace("<title>", f"<title>{word} "))),
            ):
                times = [_until_seen(browser, path, save, f"edit-{turn}") for turn in range(runs)]
                told = f"{statistics.median(times):.2f} s (at most {max(times):.2f} s)"
                yield f"make dev: edited {what} seen through the edge", told, TARGET
        # The pods have what the checkout has again.
        with dev(CHECKOUT, settings, local_environment()):
            pass


def _until_seen(browser: httpx.Client, path: str, save: Callable[[str], object], word: str) -> float:
    save(word)
    saved = time.monotonic()
    # No more often than one visitor may ask of PHP (S3.2), so the times are right to a tenth of a second.
    wait_for(lambda: word in browser.get(path).text, f"{word} at {path}", patience=30, every=0.1)
    return time.monotonic() - saved


def _browser(url: httpx.URL, authority: str) -> httpx.Client:
    def name_the_host(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = url.host
        request.headers["Host"] = url.netloc.decode()

    return httpx.Client(
        base_url=url.copy_with(host="127.0.0.1"),
        verify=ssl.create_default_context(cafile=authority),
        trust_env=False,
        event_hooks={"request": [name_the_host]},
    )
