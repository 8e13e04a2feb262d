"""Releases other than the checkout's: copies of it in which something is changed; and what delivers them."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from operations.delivery.problem import Exit
from tests.cluster.stack import CHECKOUT, Stack

# The one test of `deploy.sh test` that may still tell of what was done to the stack before.
QUIET: Final = "No critical alert is raised, and Prometheus looks"


def copy_of_the_checkout(folder: Path) -> Path:
    """What git knows of, as it is now, with the checkout's Python."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in files.strip("\0").split("\0"):
        if (source := CHECKOUT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)  # with its age: nothing is to be installed again
    (folder / ".venv").symlink_to(CHECKOUT / ".venv")
    return folder


def commit(folder: Path, tag: str) -> None:
    """Make the checkout, as it is, a tagged commit of a repository of its own."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
        (folder / ".git/info/exclude").write_text(".venv\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", tag)
    git(folder, "tag", tag)


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
    file.write_text(text.replace(old, new))


def deliver(stack: Stack, *words: str, checkout: Path = CHECKOUT, ends: Exit | None = Exit.DONE) -> str:
    """Run the script on the test stack; gives what it said. ends: its code, None for any."""
    done = subprocess.run(
        [checkout / "scripts/deploy.sh", "test", *words],
        env={**os.environ, "PULUMI_OPTION_CONFIG_FILE": str(stack.settings_file), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert ends is None or done.returncode == ends, f"deploy.sh {' '.join(words)} exits with {done.returncode}:\n{said}"
    return said


def results(report: Path) -> dict[str, str | None]:
    """Each test of `deploy.sh test --junit`, and what was seen instead."""
    cases = ElementTree.parse(report).getroot().findall("testcase")  # noqa: S314  written a moment ago
    failures = ((case.attrib["name"], case.find("failure")) for case in cases)
    return {name: failure.attrib["message"] if failure is not None else None for name, failure in failures}
