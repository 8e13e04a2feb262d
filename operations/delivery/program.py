"""The program of a release: a commit, so that it can be had again when the release has to come back."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target

_MIGRATIONS: Final = "app/migrations"
# Who a commit is by that nobody has written: it holds what lay in the checkout of a workbench.
_KEEPER: Final = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "deploy.sh"), ("EMAIL", "deploy.sh@localhost"))
}


def program_of(target: Target, tag: str) -> str:
    """The commit of the checkout that is delivered as `tag`.

    What others rely on is a tag or a commit that everybody can have. A workbench may be given what just lies there:
    it is kept as a commit that no branch has.
    """
    head = _git(target.checkout, "rev-parse", "--verify", "HEAD").strip()
    changed = _git(target.checkout, "status", "--porcelain").strip()
    if target.settings.purpose == "workbench":
        return _kept(target) if changed else head
    if changed:
        raise DeliveryError(
            f"The checkout has changes that no commit has:\n{changed}", "commit them, or put them away: `git stash`"
        )
    try:
        named = _git(target.checkout, "rev-parse", "--verify", f"{tag}^{{commit}}").strip()
    except DeliveryError:
        raise DeliveryError(
            f"There is no tag {tag} in this checkout.", "`git fetch --tags`, or correct the name"
        ) from None
    if named != head:
        raise DeliveryError(
            f"{tag} is the commit {named[:12]}, and the checkout is at {head[:12]}.", f"`git switch --detach {tag}`"
        )
    return head


@contextmanager
def checked_out(target: Target, program: str) -> Iterator[Path]:
    """The files of a commit in a folder of their own, with the checkout's Python where they ask for the same."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "program")
        try:
            _git(target.checkout, "worktree", "add", "--quiet", "--detach", str(folder), program)
        except DeliveryError:
            raise DeliveryError(
                f"This clone doesn't have the commit {program[:12]}, whose program ran then.",
                "`git fetch`, or deliver from the clone that did",
            ) from None
        try:
            if (folder / "requirements.txt").read_bytes() == (target.checkout / "requirements.txt").read_bytes():
                (folder / ".venv").symlink_to((target.checkout / ".venv").resolve())
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _git(target.checkout, "worktree", "prune")


def migrations(target: Target, program: str) -> frozenset[str]:
    """The names of the reference application's migrations in a commit; none where it can't be had."""
    try:
        return frozenset(_git(target.checkout, "ls-tree", "--name-only", program, f"{_MIGRATIONS}/").split())
    except DeliveryError:
        return frozenset()


def _kept(target: Target) -> str:
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        _git(target.checkout, "read-tree", "HEAD", more=index)
        _git(target.checkout, "add", "--all", more=index)
        tree = _git(target.checkout, "write-tree", more=index).strip()
    message = f"What lay in the checkout when it was delivered to {target.stack}"
    commit = _git(target.checkout, "commit-tree", tree, "-p", "HEAD", "-m", message, more=_KEEPER).strip()
    _git(target.checkout, "update-ref", f"refs/delivered/{target.stack}/{commit[:12]}", commit)
    return commit


def _git(checkout: Path, *arguments: str, more: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=checkout,
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DeliveryError(
            f"`git {' '.join(arguments)}` fails: {done.stderr.strip()}",
            "deliver from a clone of the repository: a release is a commit",
        )
    return done.stdout
