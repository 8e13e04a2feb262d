"""What a build is made from: .dockerignore, digests, Dockerfiles, names, exports in BuildKit's words."""

import os
from pathlib import Path

import pytest

from localcloud import buildctl, dockerfile
from localcloud.plugins.docker_build import checks, context, image, options
from localcloud.plugins.provider import Failed, Refused
from localcloud.plugins.quarantine import is_local
from localcloud.plugins.registry import Reference, parse


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app" / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    return tmp_path


def digest(folder: Path, *replaced: str) -> str:
    return context.digest(str(folder), str(folder / "Dockerfile"), {}, list(replaced))


@pytest.mark.parametrize(
    ("patterns", "ignored", "kept"),
    [
        ("*.md", ["a.md"], ["docs/a.md", "a.mdx"]),
        ("**/*.md", ["a.md", "docs/deep/a.md"], ["a.txt"]),
        ("docs", ["docs", "docs/a", "docs/b/c"], ["docs2", "a/docs"]),
        ("/docs/", ["docs", "docs/a"], ["a/docs"]),
        ("*\n!app\n!images/app", ["x", "images/websocket/y"], ["app", "app/src/z", "images/app/y"]),
        ("app\n!app/keep\napp/keep/not", ["app/x", "app/keep/not"], ["app/keep/yes"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("[ab].txt", ["a.txt", "b.txt"], ["c.txt"]),
        ("# comment\n\n  spaced  ", ["spaced"], ["# comment"]),
        ("**/node_modules", ["node_modules", "a/b/node_modules/c"], ["a/node_modules2"]),
        ("src/**", ["src/a", "src/a/b"], ["srcs"]),
    ],
)
def test_a_dockerignore_means_what_docker_says(patterns: str, ignored: list[str], kept: list[str]) -> None:
    parsed = context.parse_ignored(patterns)
    assert [path for path in ignored if not context.is_ignored(path, parsed)] == []
    assert [path for path in kept if context.is_ignored(path, parsed)] == []


def test_the_digest_is_of_names_modes_and_content(folder: Path) -> None:
    before = digest(folder)
    assert digest(folder) == before
    os.utime(folder / "two")
    assert digest(folder) == before
    (folder / "two").chmod(0o700)
    other_mode = digest(folder)
    (folder / "two").rename(folder / "three")
    other_name = digest(folder)
    (folder / "three").write_text("3")
    assert len({before, other_mode, other_name, digest(folder)}) == 4


def test_an_ignored_file_is_in_no_digest_and_the_dockerfile_in_every(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*\n!app\n")
    before = digest(folder)
    (folder / "two").write_text("other")
    assert digest(folder) == before
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY app /\n")
    assert digest(folder) != before


def test_a_dockerfiles_own_ignore_file_comes_first(folder: Path) -> None:
    (folder / ".dockerignore").write_text("app\n")
    (folder / "Dockerfile.dockerignore").write_text("two\n")
    before = digest(folder)
    (folder / "two").write_text("other")
    assert digest(folder) == before
    (folder / "app" / "one").write_text("other")
    assert digest(folder) != before


def test_another_stand_in_is_another_image(folder: Path) -> None:
    assert digest(folder, "docker-image://a") != digest(folder, "docker-image://b") != digest(folder)


def test_links_are_followed_to_files_and_not_into_folders(folder: Path) -> None:
    (folder / "link").symlink_to("two")
    (folder / "folder").symlink_to("app")
    before = digest(folder)
    (folder / "two").write_text("other")
    assert digest(folder) != before


def test_an_export_is_written_in_buildkits_words() -> None:
    registry = options.export({"registry": {"ociMediaTypes": True, "names": ["a", "b"]}})
    assert options.text(registry) == 'push=true,type=image,oci-mediatypes=true,"name=a,b"'
    assert options.pushes(registry)
    assert not options.pushes(options.export({"raw": "type=local,dest=out"}))
    preview = options.with_defaults(registry, ["c"], preview=True)
    assert (preview["push"], preview["name"]) == ("false", "c")
    assert options.export({"disabled": True, "registry": {}}) == {}


def test_two_types_in_one_export_are_refused() -> None:
    with pytest.raises(Failed, match="only specify one type"):
        options.export({"registry": {}, "local": {"dest": "x"}})


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["localhost:5005/a/b:1"], "localhost:5005/a/b:1@sha256:0"),
        (["localhost:5005/a/b"], "localhost:5005/a/b:latest@sha256:0"),
        (["plain:1", "localhost:5005/a:2"], "localhost:5005/a:2@sha256:0"),
        (["plain:1"], "plain:1"),
        ([], ""),
    ],
)
def test_a_reference_is_the_first_full_name_with_the_digest(tags: list[str], expected: str) -> None:
    assert image.reference(tags, "sha256:0") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch\nCOPY a /\n", None),
        ("# syntax=docker/dockerfile:1\nARG V=1\nFROM a:${V} AS b\nRUN <<EOF\nnot an instruction\nEOF\nUSER 1\n", None),
        ("FROM a\nRUN echo $((1<<2)) \\\n  # why\n  && true\n", None),
        ("from a\nrun true\n", None),
        ("FROM a\nCOPPY b /\n", "unknown instruction: COPPY"),
        ("ARG V=1\n", "no build stage, it has no FROM"),
        ("", "no build stage, it has no FROM"),
    ],
)
def test_a_dockerfile_that_no_builder_takes_is_found_out(text: str, expected: str | None) -> None:
    assert dockerfile.wrong(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("redis", Reference("", "redis")),
        ("library/redis:7.4", Reference("", "library/redis", "7.4")),
        ("localhost:5005/a/b:1", Reference("localhost:5005", "a/b", "1")),
        ("[::1]:5005/a", Reference("[::1]:5005", "a")),
        (f"ghcr.io/a/b:1@sha256:{'0' * 64}", Reference("ghcr.io", "a/b", "1", f"sha256:{'0' * 64}")),
        ("localhost:5005/A", None),
        ("a:b:c", None),
        ("", None),
    ],
)
def test_an_images_name_has_parts(name: str, expected: Reference | None) -> None:
    assert parse(name) == expected


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5005", "127.0.0.1:1", "127.8.8.8", "[::1]:5005", "172.31.240.3:5000"]
)
def test_this_machine_and_its_cluster_are_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["docker.io", "localhost.example.org", "10.0.0.1:5000", "[2001:db8::1]", "172.31.241.3", ""]
)
def test_what_only_looks_local_is_not(host: str) -> None:
    assert not is_local(host)


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        ("http://ada:secret@proxy:3128", "http://proxy:3128"),
        ("http://ada@proxy:3128/", "http://proxy:3128/"),
        ("ada:secret@proxy:3128", "proxy:3128"),
        ("http://ada:p@ss@[::1]:3128", "http://[::1]:3128"),
        ("http://proxy:3128", "http://proxy:3128"),
    ],
)
def test_a_build_is_told_a_proxy_without_its_user(proxy: str, told: str) -> None:
    """S7: no secret in argv."""
    assert buildctl.proxies({"http_proxy": proxy, "OTHER": "x"}) == {"build-arg:http_proxy": told}
    assert buildctl.hides_proxy_user({"http_proxy": proxy}) is (proxy != told)


def test_a_context_with_a_password_in_its_address_is_refused() -> None:
    inputs = image.complete({"context": {"location": "https://ada:secret@git.example.org/x.git"}})
    with pytest.raises(Refused, match="GIT_AUTH_TOKEN") as refusal:
        checks.refuse(inputs)
    assert "ada:secret" not in str(refusal.value)
