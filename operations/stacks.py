"""The settings of a stack, read from its file without the engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.configuration import SettingsError, decoded, parse
from components.settings import Settings
from components.stack_file import StackFile, own
from operations.problem import Problem


def settings_of(file: Path) -> Settings:
    """What the file says. Raises `Problem` with every mistake in it."""
    return settings_in(file, text_of(file))


def text_of(file: Path) -> str:
    """What is written in it. Raises `Problem` where it can't be read."""
    try:
        return file.read_text()
    except OSError as error:
        raise Problem(f"{file} can't be read: {error.strerror}.", "name a stack that has a file") from None


def settings_in(file: Path, text: str) -> Settings:
    """The same of what was read from it."""
    try:
        config: Mapping[str, Any] = yaml.safe_load(text)["config"]
    except (yaml.YAMLError, KeyError, TypeError):
        raise Problem(f"{file} is no stack's file.", "compare it with Pulumi.development.yaml") from None
    try:
        values = {name: value for key, value in _legible(config).items() if (name := own(key))}
        # What `pulumi config set` writes is text, be it a number.
        typed = {name: decoded(name, value) if isinstance(value, str) else value for name, value in values.items()}
        return parse(typed, file=StackFile(file.name, text))
    except SettingsError as error:
        raise Problem(error.message(), "mend what is named above") from None


def _legible(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is encrypted, at any depth: it can only be read with the stack's key."""
    return {
        key: _legible(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if not (isinstance(value, Mapping) and value.keys() == {"secure"})
    }
