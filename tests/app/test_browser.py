"""The page in a real browser, under the policy that every answer carries (S3.1)."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.app.chromium import HEADLESS
from tests.app.processes import USER, Process, give
from tests.app.realtime import Instance
from tests.app.servers import Redis
from tests.app.site import Site
from tests.unit.balancer import Front, running
from tests.unit.edges import HOST
from tests.waiting import wait_for

# What a Flutter web build does and what an injected script would, each with what comes of it.
TRIES = {
    "compiles WebAssembly": True,
    "starts a worker from a blob": True,
    "writes a style element": True,
    "writes a style attribute": True,
    "shows a picture from memory": True,
    "shows a picture from a blob": True,
    "fetches from its own site": True,
    "runs text as code": False,
    "runs an inline script": False,
    "runs an inline handler": False,
    "loads a script from elsewhere": False,
    "fetches from elsewhere": False,
    "shows a picture from elsewhere": False,
}
PROBE = """
const done = {};
const pixel = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
const loads = (element, source) => new Promise((resolve) => {
  element.onload = () => resolve(true);
  element.onerror = () => resolve(false);
  element.src = source;
  document.head.append(element);
});
const styled = (make) => {
  const one = document.createElement("p");
  document.body.append(one);
  make(one);
  return getComputedStyle(one).order === "7";
};
window.ran = false;
const ran = (make) => {
  window.ran = false;
  make();
  return window.ran;
};
const add = (name, text) => {
  const element = document.createElement(name);
  element.textContent = text;
  document.body.append(element);
  return element;
};
const tries = {
  "compiles WebAssembly": async () =>
    (await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))).instance !== undefined,
  "starts a worker from a blob": () => new Promise((resolve) => {
    const worker = new Worker(URL.createObjectURL(new Blob(["postMessage(1)"], { type: "text/javascript" })));
    worker.onmessage = () => resolve(true);
    worker.onerror = () => resolve(false);
  }),
  "writes a style element": () => styled((one) => { one.id = "styled"; add("style", "#styled { order: 7 }"); }),
  "writes a style attribute": () => styled((one) => one.setAttribute("style", "order: 7")),
  "shows a picture from memory": () => loads(new Image(), `data:image/gif;base64,${pixel}`),
  "shows a picture from a blob": () =>
    loads(new Image(), URL.createObjectURL(new Blob([Uint8Array.from(atob(pixel), (c) => c.charCodeAt(0))]))),
  "fetches from its own site": async () => (await fetch("/config.json")).ok,
  "runs text as code": () => new Function("return true")(),
  "runs an inline script": () => ran(() => add("script", "window.ran = true")),
  "runs an inline handler": () => ran(() => {
    const one = add("p", "");
    one.setAttribute("onclick", "window.ran = true");
    one.click();
  }),
  "loads a script from elsewhere": () => loads(document.createElement("script"), "https://elsewhere.example/x.js"),
  "fetches from elsewhere": async () => (await fetch("https://elsewhere.example/config.json")).ok,
  "shows a picture from elsewhere": () => loads(new Image(), "https://elsewhere.example/icon.svg"),
};
const blocked = new Set();
addEventListener("securitypolicyviolation", (event) => blocked.add(event.effectiveDirective));
for (const [name, attempt] of Object.entries(tries)) {
  try {
    done[name] = await attempt();
  } catch {
    done[name] = false;
  }
}
await fetch(`/probed/${encodeURIComponent(JSON.stringify({ done, blocked: [...blocked].sort() }))}`);
"""


@pytest.fixture(scope="module")
def own(folder: Path) -> Path:
    own = folder / "browsed"
    own.mkdir()
    return own


@pytest.fixture(scope="module")
def websocket(own: Path, redis: Redis) -> Iterator[Instance]:
    instance = Instance(own, redis)
    yield instance
    instance.process.stop()


@pytest.fixture(scope="module")
def front(own: Path, site: Site, websocket: Instance) -> Iterator[Front]:
    with running(own, services={"app": site.public, "websocket": websocket.port}) as front:
        yield front


@contextmanager
def browsing(front: Front, path: str) -> Iterator[Process]:
    """A browser that has the page open; its log has what the console says."""
    home = front.folder / f"browser{path.replace('/', '-')}"
    home.mkdir()
    give(home, USER)
    port = front.ports["8443"]
    command = [
        *HEADLESS,
        f"--user-data-dir={home}/profile",
        # It ends by itself unless somebody might debug it.
        "--remote-debugging-port=0",
        # The names are this machine's, and so is the authority.
        f"--host-resolver-rules=MAP {HOST}:{port} 127.0.0.1:{port}, MAP elsewhere.example 127.0.0.1:{port}",
        "--ignore-certificate-errors",
        "--enable-logging=stderr",
        f"https://{HOST}:{port}{path}",
    ]
    browser = Process(command, log=home / "log", environment={"HOME": str(home)})
    try:
        yield browser
    finally:
        browser.stop()


def console(browser: Process) -> list[str]:
    return re.findall(r'CONSOLE.*?"(.*)", source', browser.log.read_text(errors="replace"))


def answered(front: Front, path: str) -> list[int]:
    return [line["status"] for line in front.lines() if line["path"] == path]


def test_the_page_works_under_the_policy_and_breaks_it_nowhere(front: Front, websocket: Instance) -> None:
    """Its style, its script, what that fetches, and its WebSocket."""
    with browsing(front, "/") as browser:
        browser.wait_until(lambda: websocket.value("connections") == 1, "the page to open its WebSocket")
        for path in ("/", "/style.css", "/app.js", "/config.json", "/api/exhibits"):
            wait_for(partial(answered, front, path), f"the page to ask for {path}")
            assert set(answered(front, path)) == {200}, path
        assert console(browser) == []


def test_the_policy_lets_a_flutter_build_work_and_nothing_injected_run(front: Front, site: Site) -> None:
    """Each line of the policy that is wider than 'self', tried; what it doesn't name fails."""
    public = site.folder / "html/public"
    (public / "probe.js").write_text(PROBE)
    (public / "probe.html").write_text('<!doctype html><body><script type="module" src="probe.js"></script>')

    def told() -> dict[str, Any] | None:
        said = [line["path"] for line in front.lines() if line["path"].startswith("/probed/")]
        found: dict[str, Any] | None = json.loads(unquote(said[0].removeprefix("/probed/"))) if said else None
        return found

    try:
        with browsing(front, "/probe.html") as browser:
            browser.wait_until(lambda: told() is not None, "the page to tell what came of it")
            found = told() or {}
    finally:
        (public / "probe.js").unlink()
        (public / "probe.html").unlink()
    assert found["done"] == TRIES, console(browser)
    assert found["blocked"] == ["connect-src", "img-src", "script-src", "script-src-attr", "script-src-elem"]
