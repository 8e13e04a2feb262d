"""What `make dev` sends where: the checkout's files under their names in the pods, and how the two differ."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from operations import dev
from operations.reload import checkout, pods
from operations.reload.checkout import FLUTTER, Checkout, File, difference
from operations.reload.pods import Cluster, Pod
from operations.reload.session import Again, Edited, Seen, Session
from tests.unit.parts import LEAST
from tests.unit.recording import CHECKOUT

POD = Pod(name="app-1", identity="1 a", takes=True, runs=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("src/A.php", "bin/b.php", "migrations/1.sql", "public/index.php", "web/index.html"):
        write(tmp_path / name, name)
    return tmp_path


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def of(*names: str, stands_in: bool = False) -> dict[str, File]:
    return {name: File(Path(name), "new", stands_in) for name in names}


# --- the checkout


def test_files_have_the_names_that_the_image_gives_them(source: Path) -> None:
    assert set(Checkout(source, "public").files()) == {
        "bin/b.php",
        "migrations/1.sql",
        "public/index.html",
        "public/index.php",
        "src/A.php",
    }


def test_folders_go_where_the_dockerfile_puts_them() -> None:
    copied = re.findall(
        r"^COPY --from=(?:application|flutter-builder) (\S+) (\S+/)$",
        (CHECKOUT / "images/app/Dockerfile").read_text().partition("AS production")[2],
        re.MULTILINE,
    )
    assert dict(copied) == {
        "migrations/": "migrations/",
        "bin/": "bin/",
        "/src/build/web/": "public/",
        "${DOCUMENT_ROOT}/": "public/",
        "src/": "src/",
    }


def test_another_document_root_is_public_in_the_pod(source: Path) -> None:
    write(source / "htdocs/index.php", "")
    files = Checkout(source, "htdocs").files()
    assert files["public/index.php"].path == source / "htdocs/index.php"


def test_a_flutter_build_is_sent_instead_of_the_page_that_stands_in_for_one(source: Path) -> None:
    write(source / "frontend/build/web/main.dart.js", "")
    files = Checkout(source, "public").files()
    assert FLUTTER in files
    assert "public/index.html" not in files


def test_what_editors_leave_beside_a_file_is_not_sent(source: Path) -> None:
    for name in (".A.php.swp", "A.php~"):
        write(source / "src" / name, "")
    assert [name for name in Checkout(source, "public").files() if name.startswith("src/")] == ["src/A.php"]


def test_a_changed_file_has_another_digest_even_at_the_same_size(source: Path) -> None:
    tree = Checkout(source, "public")
    before = tree.files()["src/A.php"].digest
    write(source / "src/A.php", "SRC/a.PHP")
    assert tree.files()["src/A.php"].digest != before


def test_what_has_not_changed_is_not_read_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Checkout(source, "public")
    before = tree.files()
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"reads {path}"))
    assert tree.files() == before


def test_a_file_that_is_too_large_is_left_out_and_named(source: Path) -> None:
    large = source / "public/film.mp4"
    write(large, "")
    os.truncate(large, checkout.LARGEST + 1)
    tree = Checkout(source, "public")
    assert "public/film.mp4" not in tree.files()
    assert tree.too_large == [large]


# --- the difference


def test_only_what_differs_is_sent() -> None:
    found = difference(of("src/A.php", "src/B.php", "src/C.php"), {"src/A.php": "new", "src/B.php": "old"}, ())
    assert (found.send, found.remove) == (("src/B.php", "src/C.php"), ())
    assert not difference(of("src/A.php"), {"src/A.php": "new", "vendor/autoload.php": "x"}, ())


def test_what_the_image_has_and_the_checkout_has_not_is_removed() -> None:
    """A class that was deleted would otherwise still be found."""
    assert difference({}, {"src/Old.php": "x", "bin/old.php": "x", "vendor/autoload.php": "x"}, ()).remove == (
        "bin/old.php",
        "src/Old.php",
    )


def test_of_what_nginx_serves_only_what_was_deleted_meanwhile_is_removed() -> None:
    """The rest is the front end's build, which the checkout needn't have."""
    there = {"public/main.dart.js": "x", "public/old.html": "x"}
    assert difference({}, there, {"public/old.html"}).remove == ("public/old.html",)


def test_nginx_sends_no_compressed_copy_of_the_file_before() -> None:
    there = {f"public/{name}": "old" for name in ("index.html", "index.html.gz", "old.js", "old.js.gz", "kept.js.gz")}
    found = difference(of("public/index.html"), there, {"public/old.js"})
    assert found.remove == ("public/index.html.gz", "public/old.js", "public/old.js.gz")


def test_the_page_that_stands_in_for_a_flutter_build_does_not_replace_one() -> None:
    files = of("public/index.html", stands_in=True)
    assert difference(files, {"public/index.html": "old"}, ())
    assert not difference(files, {"public/index.html": "old", FLUTTER: "x"}, ())


# --- a session

# Runs in a folder of this machine what would run in the container; fails while there is a file named `broken`.
KUBECTL = """#!/bin/sh
[ ! -e "$(dirname "$0")/broken" ] || { echo "error: connection refused" >&2; exit 1; }
while [ "$1" != "--" ]; do shift; done
shift
exec "$@"
"""


class Pods:
    """Pods as folders, the session that sends into them, and what it says."""

    def __init__(self, source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tree = folder / "tree"
        write(self.tree / "src/Old.php", "old")
        self.broken = folder / "bin/broken"
        write(folder / "bin/kubectl", KUBECTL)
        (folder / "bin/kubectl").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setattr(pods, "TREE", str(self.tree))
        self.said: list[str] = []
        cluster = Cluster("kind-kind", None, "vision-week-app")
        self.session = Session(Checkout(source, "public"), cluster, self.said.append)
        self.session.bring(Seen({POD.name: POD}))
        self.session.bring(Again())

    def has(self) -> set[str]:
        return {str(path.relative_to(self.tree)) for path in self.tree.rglob("*") if path.is_file()}


@pytest.fixture
def pod(source: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Pods:
    return Pods(source, tmp_path_factory.mktemp("pod"), monkeypatch)


def test_a_pod_gets_what_it_lacks_and_loses_what_is_gone(source: Path, pod: Pods) -> None:
    assert pod.has() == set(pod.session.checkout.files())
    (source / "src/A.php").unlink()
    write(source / "public/new/page.html", "new")
    pod.session.bring(Edited([source / "src/A.php"]))
    assert pod.has() == set(pod.session.checkout.files())
    assert "public/new/page.html, src/A.php (removed) → app-1" in pod.said[-1]


def test_a_pod_that_comes_later_loses_what_was_deleted_before(source: Path, pod: Pods) -> None:
    (source / "web/index.html").unlink()
    pod.session.bring(Edited([source / "web/index.html"]))
    write(pod.tree / "public/index.html", "as the image has it")
    pod.session.bring(Seen({"app-2": Pod("app-2", "2 a", takes=True, runs=True)}))
    assert "public/index.html" not in pod.has()


def test_a_container_that_started_anew_is_asked_again(pod: Pods) -> None:
    (pod.tree / "src/A.php").unlink()
    pod.session.bring(Again())
    assert "src/A.php" not in pod.has()
    pod.session.bring(Seen({POD.name: Pod(POD.name, "1 b", takes=True, runs=True)}))
    assert "src/A.php" in pod.has()


def test_a_failed_sending_is_told_once_and_tried_again(source: Path, pod: Pods) -> None:
    write(pod.broken, "")
    pod.said.clear()
    write(source / "src/A.php", "changed")
    pod.session.bring(Edited([source / "src/A.php"]))
    assert isinstance(pod.session.events.get(timeout=10), Again)
    pod.session.bring(Again())
    assert pod.said == ["app-1 did not take files: error: connection refused: it is tried again"]
    pod.broken.unlink()
    pod.session.bring(Again())
    assert (pod.tree / "src/A.php").read_text() == "changed"


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({}, "No pod of the application in vision-week-app: `pulumi up` makes them"),
        ({"app-1": Pod("app-1", "1 a", takes=False, runs=True)}, "The pods were made without app.hot_reload"),
    ],
)
def test_what_is_in_the_way_is_said(pod: Pods, seen: dict[str, Pod], words: str) -> None:
    pod.session.bring(Seen(seen))
    assert pod.said[-1].startswith(words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("composer.lock", "`pulumi up` installs what it names"),
        ("frontend/lib/main.dart", "`flutter build web`"),
        ("migrations/1.sql", "`pulumi up` runs it"),
    ],
)
def test_what_needs_more_than_sending_is_said(source: Path, pod: Pods, name: str, words: str) -> None:
    pod.session.bring(Edited([source / name]))
    assert pod.said[-1].startswith(f"{name}: {words}")


# --- the command


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hot_reload": False}, "app.hot_reload is off"),
        ({"hot_reload": True, "source": {"git": "https://git.example/a.git", "reference": "0" * 40}}, "clone it"),
        ({"hot_reload": True, "source": {"path": "../nowhere"}}, "There is no folder"),
        ({"hot_reload": "maybe"}, "1 setting is wrong"),
        ({"hot_reload": True}, "can't be asked (context kind-kind)"),
    ],
)
def test_what_can_not_work_is_refused_in_words(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    source = {"vision-week:source": changes.pop("source")} if "source" in changes else {}
    config = {f"vision-week:{key}": value for key, value in LEAST.items()} | source | {"vision-week:protect": "false"}
    config |= {"vision-week:app": changes}
    config["vision-week:images"] = {**LEAST["images"], "app_target": "development"}
    (tmp_path / "Pulumi.mine.yaml").write_text(yaml.safe_dump({"config": config}))
    done = CliRunner().invoke(
        dev.app, ["--file", str(tmp_path / "Pulumi.mine.yaml")], env={"KUBECONFIG": str(tmp_path / "none")}
    )
    assert done.exit_code == 1
    assert words in done.stderr
    assert "What to do:" in done.stderr


def test_a_stack_without_a_file_is_refused() -> None:
    done = CliRunner().invoke(dev.app, ["--stack", "nobodys"])
    assert done.exit_code == 1
    assert "Pulumi.nobodys.yaml can't be read" in done.stderr
