"""The page in a real browser, under the policy that every answer carries (S3.1)."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.processes import USER, as_user, give, program
from tests.app.realtime import Instance
from tests.app.servers import Redis
from tests.app.site import Site
from tests.unit.balancer import Front, running
from tests.unit.edges import HOST

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
for (const [name, result] of Object.entries(done)) {
  add("li", `${name}: ${result}`);
}
add("b", [...blocked].sort().join(" "));
"""


@pytest.fixture(scope="module")
def front(folder: Path, site: Site, redis: Redis) -> Iterator[Front]:
    own = folder / "browsed"
    own.mkdir()
    websocket = Instance(own, redis)
    with running(own, services={"app": site.public, "websocket": websocket.port}) as front:
        yield front
    websocket.process.stop()


def browse(front: Front, path: str) -> tuple[str, str]:
    """The page as it is in the end, and what the browser's console said."""
    home = front.folder / "browser"
    home.mkdir(exist_ok=True)
    give(home, USER)
    port = front.ports["8443"]
    command = [
        program("chromium"),
        "--headless",
        # A test's machine may be a container, which can't make another one.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        f"--user-data-dir={home}/profile",
        # The names are this machine's, and so is the authority.
        f"--host-resolver-rules=MAP {HOST}:{port} 127.0.0.1:{port}, MAP elsewhere.example 127.0.0.1:{port}",
        "--ignore-certificate-errors",
        "--enable-logging=stderr",
        "--virtual-time-budget=20000",
        "--dump-dom",
        f"https://{HOST}:{port}{path}",
    ]
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        text=True,
        capture_output=True,
        check=True,
        timeout=300,
        **as_user(USER),  # type: ignore[call-overload]
    )
    return done.stdout, "\n".join(re.findall(r'CONSOLE.*?"(.*)", source', done.stderr))


def test_the_page_works_under_the_policy_and_breaks_it_nowhere(front: Front) -> None:
    page, console = browse(front, "/")
    assert "Content Security Policy" not in console
    assert console == ""
    assert '<span id="version">1.2.3</span>' in page, "the configuration was fetched"
    assert "Loading" not in page, "the exhibits were fetched"
    assert 'data-state="on"' in page, "the WebSocket is open"


def test_the_policy_lets_a_flutter_build_work_and_nothing_injected_run(front: Front, site: Site) -> None:
    """Each line of the policy that is wider than 'self', tried; what it doesn't name fails."""
    public = site.folder / "html/public"
    (public / "probe.js").write_text(PROBE)
    (public / "probe.html").write_text('<!doctype html><body><script type="module" src="probe.js"></script>')
    try:
        page, console = browse(front, "/probe.html")
    finally:
        (public / "probe.js").unlink()
        (public / "probe.html").unlink()
    found = dict(re.findall(r"<li>([^:<]+): (\w+)</li>", page))
    assert found == {name: str(works).lower() for name, works in TRIES.items()}, console
    assert re.findall(r"<b>(.*)</b>", page) == ["connect-src img-src script-src script-src-attr script-src-elem"]
