"""A release: the settings with its name in them, and the commit that its program is."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from components.stack_file import own
from operations.delivery.problem import DeliveryError
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


def _with_release(text: str, tag: str) -> str:
    """The file's text with this one value changed, so that lines in messages are the file's."""
    root = yaml.compose(text)
    config = next((value for key, value in getattr(root, "value", ()) if key.value == "config"), None)
    for key, value in getattr(config, "value", ()):
        if own(key.value) == "release":
            return text[: value.start_mark.index] + json.dumps(tag) + text[value.end_mark.index :]
    raise DeliveryError("The stack's file names no release.", "write `vision-week:release: …` below `config:`")
