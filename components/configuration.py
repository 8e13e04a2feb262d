"""Reads a stack's settings, and says what is wrong with them in words for the person who wrote them.

Every key of the namespace `vision-week` is read, so that a misspelt one is found. All faults are reported at once, each
with its line, value, reason and a hint. The error is Pulumi's own RunError: the engine prints it without a traceback
and the command fails.
"""

import json
import os
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pulumi import RunError, get_stack
from pulumi.runtime import get_root_directory
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret
from pydantic import ValidationError

from components.checks import Fault, contradictions
from components.demands import unmet
from components.settings import Settings
from components.stack_file import NAMESPACE, StackFile, strangers

_HIDDEN = "(secret)"


def load() -> Settings:
    """The settings of the stack that is being run."""
    config = {**get_config_env(), **CONFIG.get()}
    own = {key.removeprefix(f"{NAMESPACE}:"): value for key, value in config.items() if key.startswith(f"{NAMESPACE}:")}
    values = {key: decoded(key, value) for key, value in own.items()}
    secret = frozenset(key for key in own if is_config_secret(f"{NAMESPACE}:{key}"))
    name = os.environ.get("PULUMI_OPTION_CONFIG_FILE", f"Pulumi.{get_stack()}.yaml")
    file = StackFile.read(Path(get_root_directory(), name)) or StackFile(name)
    also = [*strangers(list(config)), *file.in_clear("webhooks", values.get("webhooks"))]
    try:
        return parse(values, secret, file, also)
    except SettingsError as error:
        raise RunError(error.message()) from None


class SettingsError(Exception):
    """All that is wrong with a stack's settings. file: where they were written."""

    def __init__(self, faults: list[Fault], file: StackFile) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.reason}" for fault in faults))
        self.faults = faults
        self.file = file

    def message(self) -> str:
        count = "1 setting is wrong" if len(self.faults) == 1 else f"{len(self.faults)} settings are wrong"
        blocks = ["\n".join(self._block(fault)) for fault in self.faults]
        return "\n\n".join([f"{count}, and nothing was changed. Mend them, then run the same command again:", *blocks])

    def _block(self, fault: Fault) -> Iterator[str]:
        from components.fields import about  # noqa: PLC0415  only an error needs the words of the fields

        setting = fault.path.removesuffix(":") if ":" in fault.path else f"{NAMESPACE}:{fault.path}"
        value = f" = {fault.value}" if fault.value is not None else ""
        yield f"  {self.file.where(fault.path)}: {setting}{value}"
        yield f"    {fault.reason}"
        if fault.hint:
            yield f"    {fault.hint[0].upper()}{fault.hint[1:]}"
        if words := about(fault.path):
            yield f"    What it is: {words}"


def parse(
    values: dict[str, Any],
    secret: frozenset[str] = frozenset(),
    file: StackFile | None = None,
    also: Iterable[Fault] = (),
) -> Settings:
    """Settings from plain values.

    secret: the keys whose values may not be printed. file: where they were written. also: what is wrong besides.
    """
    file = file or StackFile("the stack's file")
    if file.shape and not values:
        raise SettingsError(file.shape, file)
    traps = [*file.traps(values)]
    faults = [*file.shape, *also, *traps]
    settings = None
    try:
        settings = Settings.model_validate_json(json.dumps(values))
    except ValidationError as error:
        from components.wording import fault  # noqa: PLC0415  only an error needs it

        trapped = {trap.path for trap in traps}
        found = dict.fromkeys(fault(detail, values) for detail in error.errors())
        faults += [each for each in found if each.path not in trapped]
    if settings is not None:
        faults += [_with_value(each, settings) for each in (*contradictions(settings), *unmet(settings))]
    if faults or settings is None:
        raise SettingsError(_without(secret, values, faults), file)
    return settings


def decoded(key: str, value: str) -> Any:
    """Pulumi hands every value over as text, structured ones as JSON; only text keeps being text."""
    field = Settings.model_fields.get(key)
    if field is not None and field.annotation is str:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _with_value(fault: Fault, settings: Settings) -> Fault:
    """The fault with what the setting is, be it a default."""
    value: Any = settings
    for step in fault.path.split("."):
        value = value.get(step) if isinstance(value, dict) else getattr(value, step, None)
    return fault.at(json.dumps(value, default=str)) if isinstance(value, str | int | float | IPv4Network) else fault


def _without(secret: frozenset[str], values: dict[str, Any], faults: list[Fault]) -> list[Fault]:
    """The faults with nothing of the secret values in them: what would show one says less instead."""
    hidden = {text for key in secret for text in _texts(values.get(key))}
    return [
        Fault(fault.path, "is not valid; its value is a secret and not shown", "", _HIDDEN)
        if any(text in f"{fault.reason} {fault.hint} {fault.value}" for text in hidden)
        else fault
        for fault in faults
    ]


def _texts(value: Any) -> Iterator[str]:
    """Every text and number in a value, as it might be printed."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value not in ("", None):
        yield value if isinstance(value, str) else json.dumps(value)
