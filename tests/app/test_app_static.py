"""S3.3, S3.4: the front end's files, compressed and cached as each deserves."""

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.site import Site
from tests.waiting import wait_for

HASHED = "main.0123456789abcdef.js"


@pytest.fixture
def built(site: Site) -> Iterator[Path]:
    """Files as a build leaves them: one with a hash in its name, one compressed already, a picture."""
    public = site.folder / "html/public"
    files = {
        HASHED: b"export const a = 1;\n" * 100,
        "big.js": b"export const b = 2;\n" * 100,
        "big.js.gz": gzip.compress(b"compressed by the build"),
        "picture.png": b"\x89PNG\r\n\x1a\n" + b"x" * 2000,
        "module.wasm": b"\x00asm" + b"\x00" * 2000,
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'>" + b" " * 2000 + b"</svg>",
        "main.map": b'{"version": 3}' + b" " * 2000,
        "app.webmanifest": b'{"name": "x"}' + b" " * 2000,
    }
    for name, content in files.items():
        (public / name).write_bytes(content)
    yield public
    for name in files:
        (public / name).unlink()


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/", "no-cache"),
        ("/index.html", "no-cache"),
        ("/app.js", "no-cache"),
        (f"/{HASHED}", "public, max-age=31536000, immutable"),
        ("/picture.png", "public, max-age=86400"),
        ("/main.ffffffffffffffff.js", "no-store"),
        ("/missing.png", "no-store"),
    ],
)
@pytest.mark.usefixtures("built")
def test_each_file_is_kept_as_long_as_it_may_be(client: httpx.Client, path: str, policy: str) -> None:
    """A file whose name has a hash never changes; an error about it may be over in a moment (a roll-out)."""
    assert client.get(path).headers["Cache-Control"] == policy


def test_the_entry_page_is_asked_for_each_time_and_sent_only_when_it_changed(site: Site, client: httpx.Client) -> None:
    """It names the files of a release, so an old one may never be shown; `no-store` would have it sent again each time,
    and the browser's back button load it anew."""
    page = site.folder / "html/public/index.html"
    before, after = page.with_name("before.html"), page.with_name("after.html")
    shutil.copy(page, before)
    after.write_text(page.read_text() + "<!-- the next release -->")
    first = client.get("/")
    assert first.headers["Cache-Control"] == "no-cache"
    asked = {"If-None-Match": first.headers["ETag"], "If-Modified-Since": first.headers["Last-Modified"]}
    unchanged = client.get("/", headers=asked)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["Cache-Control"] == "no-cache"
    try:
        after.replace(page)
        # nginx looks at a file that it has open once a second.
        wait_for(lambda: client.get("/", headers=asked).status_code == 200, "the changed page")
    finally:
        before.replace(page)


@pytest.mark.usefixtures("built")
def test_text_is_compressed_and_pictures_are_not(client: httpx.Client) -> None:
    for path in ("/", f"/{HASHED}", "/style.css", "/module.wasm", "/drawing.svg", "/main.map", "/app.webmanifest"):
        answer = client.get(path)
        assert answer.headers.get("Content-Encoding") == "gzip", path
        assert answer.headers["Vary"] == "Accept-Encoding", path
    assert "Content-Encoding" not in client.get("/picture.png").headers
    assert "Content-Encoding" not in client.get("/", headers={"Accept-Encoding": "identity"}).headers


def test_answers_of_the_api_are_compressed(client: httpx.Client) -> None:
    """JSON, and errors in JSON (RFC 9457)."""
    for path, status, media in (
        ("/config.json", 200, "application/json"),
        ("/api/exhibits", 200, "application/json"),
        ("/api/missing", 404, "application/problem+json"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, media)
        assert answer.headers.get("Content-Encoding") == "gzip", path
        assert answer.headers["Vary"] == "Accept-Encoding", path


@pytest.mark.usefixtures("built")
def test_what_the_build_compressed_is_sent_as_it_is(client: httpx.Client) -> None:
    assert client.get("/big.js").text == "compressed by the build"


@pytest.mark.usefixtures("built")
def test_files_have_the_type_that_browsers_insist_on(client: httpx.Client) -> None:
    """With nosniff, a module of the wrong type isn't run and WebAssembly isn't streamed."""
    types = {"/": "text/html", f"/{HASHED}": "application/javascript", "/style.css": "text/css"}
    types |= {"/module.wasm": "application/wasm", "/icon.svg": "image/svg+xml"}
    for path, media in types.items():
        assert client.get(path).headers["Content-Type"].split(";")[0] == media


def test_the_page_has_nothing_inline_that_the_policy_forbids(client: httpx.Client) -> None:
    page = client.get("/").text
    assert "<script>" not in page
    assert " onclick=" not in page
    assert " style=" not in page
    assert "http:" not in page
    assert "https:" not in page
