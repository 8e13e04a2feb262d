"""A release: the settings with its name in them; and what runs, by the settings and the program that brought it.

The stack's file names the release of the very first update. Later ones are named by whoever delivers them, and by the
history.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from components.stack_file import own
from operations.delivery.history import Update, history, last_of_all
from operations.delivery.problem import DeliveryError
from operations.delivery.rollback import as_brought, rolled
from operations.delivery.target import Target


@contextmanager
def released(target: Target, tag: str | None) -> Iterator[Target]:
    """The stack with another release in its settings; the checkout's own file stays as it is."""
    if tag is None:
        yield target
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, target.file.name)
        file.write_text(_with_release(target.file.read_text(), tag))
        yield target.with_file(file)


@contextmanager
def released_or_running(target: Target, tag: str | None) -> Iterator[Target]:
    """The checkout's stack with a release that is named, or else with the one that runs."""
    with released(target, tag or _brought_by(last_of_all(history(target)))) as wanted:
        yield wanted


@contextmanager
def as_it_was_brought(target: Target, last: Update | None) -> Iterator[Target]:
    """What an update brought, by the program and the settings of then; by the checkout's, where no delivery made it."""
    if last and last.good:
        with rolled(target, as_brought(target, last, last.good)) as wanted:
            yield wanted
    else:
        with released(target, _brought_by(last)) as wanted:
            yield wanted


def _brought_by(last: Update | None) -> str | None:
    """The release that runs since an update; None where none does."""
    return last.release or None if last and last.kind != "destroy" else None


def _with_release(text: str, tag: str) -> str:
    """The file's text with this one value changed, so that lines in messages are the file's."""
    root = yaml.compose(text)
    config = next((value for key, value in getattr(root, "value", ()) if key.value == "config"), None)
    for key, value in getattr(config, "value", ()):
        if own(key.value) == "release":
            return text[: value.start_mark.index] + json.dumps(tag) + text[value.end_mark.index :]
    raise DeliveryError("The stack's file names no release.", "write `vision-week:release: …` below `config:`")
