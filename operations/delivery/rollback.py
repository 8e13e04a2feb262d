"""The last good release again: its images, its settings and its program, brought back by `pulumi up`.

What a roll-back can't or mustn't take back is left as it is and named: sizes of volumes, which never shrink; versions
of PostgreSQL and Redis, whose files the older can't read; generations of secrets, of which the older may have leaked;
and settings that are secret, which the history doesn't give (DECISIONS: rollback).
"""

import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from components.stack_file import NAMESPACE, own
from operations.delivery.history import Good, Update, last_of_all
from operations.delivery.problem import DeliveryError
from operations.delivery.program import checked_out, migrations
from operations.delivery.target import Target

_LEFT: Final = (
    "secrets.generation",
    "postgres.size",
    "redis.size",
    "app.uploads",
    "monitoring.metrics_size",
    "monitoring.logs_size",
)
_ENGINES: Final = ("postgres", "redis")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a roll-back would do. settings: the stack file's content. left: what stays as it is, in words."""

    update: Update
    good: Good
    settings: Mapping[str, Any]
    left: Sequence[str]


def plan(target: Target, updates: Sequence[Update], number: int | None = None) -> Plan:
    """The roll-back to an update that was found good; without a number to the last one that isn't what runs."""
    update = _chosen(updates, number)
    good = update.good
    if good is None:
        raise DeliveryError(
            f"Update {update.number} was not found good.",
            f"choose one that was: ./scripts/deploy.sh {target.stack} history",
        )
    _refuse_unsafe(target, updates, update)
    brought = as_brought(target, update, good)
    config, left = copy.deepcopy(brought.settings["config"]), list(brought.left)
    _keep_what_stays(config, (last_of_all(updates) or update).settings, left)
    _fix_images(target, config, good, left)
    return replace(brought, settings={**brought.settings, "config": config}, left=left)


def as_brought(target: Target, update: Update, good: Good) -> Plan:
    """What an update brought that was found good: nothing of today's is kept, but for what is secret."""
    left: list[str] = []
    now = yaml.safe_load(target.file.read_text())
    config = dict(update.settings)
    _keep_secret_ones(config, now["config"], left)
    return Plan(update=update, good=good, settings={**now, "config": config}, left=left)


@contextmanager
def rolled(target: Target, chosen: Plan) -> Iterator[Target]:
    """The stack with the settings and the program of then.

    Only that program reads them, as its settings may have other names than today's. Where the stack is reached hasn't
    changed.
    """
    with checked_out(target, chosen.good.program) as checkout, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, target.file.name)
        file.write_text(yaml.safe_dump(dict(chosen.settings)))
        settings = target.settings.model_copy(update={"release": chosen.good.release})
        yield replace(target, file=file, settings=settings, checkout=checkout)


def _chosen(updates: Sequence[Update], number: int | None) -> Update:
    if number is not None:
        found = next((update for update in updates if update.number == number), None)
        if found is None:
            raise DeliveryError(f"There is no update {number}.", f"the newest is {updates[0].number if updates else 0}")
        return found
    if (found := good_before(updates)) is None:
        raise DeliveryError("No other release was found good before.", "deploy one that is")
    return found


def good_before(updates: Sequence[Update]) -> Update | None:
    """The newest that was found good and isn't what runs; where the newest of all is itself good, it is that."""
    last = last_of_all(updates)
    running = last.good if last else None
    return next((update for update in updates if update.good and update.good != running), None)


def _refuse_unsafe(target: Target, updates: Sequence[Update], to: Update) -> None:
    """A release works on its own schema and on the next one's: two steps of the schema can't be gone back."""
    before = migrations(target, to.good.program) if to.good else frozenset()
    steps: list[str] = []
    known = before
    for update in reversed(updates):
        if update.number > to.number and update.program:
            has = migrations(target, update.program)
            if has - known:
                steps.append(f"{update.release} ({', '.join(sorted(Path(name).name for name in has - known))})")
                known |= has
    if len(steps) > 1:
        raise DeliveryError(
            f"The database has been changed more than once since update {to.number}: by {'; '.join(steps)}. "
            f"{to.release} only knows its own schema and the next.",
            f"roll back to a later one, or restore the database of then: ./scripts/deploy.sh {target.stack} restore",
        )


def _keep_secret_ones(config: dict[str, Any], now: Mapping[str, Any], left: list[str]) -> None:
    for key, value in now.items():
        if _has_secrets(value):
            config[key] = value
            left.append(f"{key}, which is secret, has today's value")


def _has_secrets(value: object) -> bool:
    """A setting with a secret in it is secret as a whole: the history doesn't give the rest of it either."""
    if isinstance(value, Mapping):
        return set(value) == {"secure"} or any(_has_secrets(one) for one in value.values())
    return isinstance(value, list) and any(_has_secrets(one) for one in value)


def _keep_what_stays(config: dict[str, Any], now: Mapping[str, Any], left: list[str]) -> None:
    for path in _LEFT:
        first, _, last = path.partition(".")
        mine, theirs = _group(config, first), _group(now, first)
        was, stays = (group.get(last, "at its default") for group in (mine, theirs))
        if was == stays:
            continue
        if last in theirs:
            _put(config, first, last, theirs[last])
        else:
            _group(config, first).pop(last)
        left.append(f"{path} stays {stays}, was {was}")


def _fix_images(target: Target, config: dict[str, Any], good: Good, left: list[str]) -> None:
    engines = {name: _engine(target, name) for name in _ENGINES}
    fixed = {}
    for name, then in good.images.items():
        now = engines.get(name)
        if now and now != then:
            if "@sha256:" not in now:
                raise DeliveryError(
                    f"The image of {name} was {then} and is {now}: the program of then would take it back.",
                    "roll back to an update with today's, or restore the database of then",
                )
            left.append(f"the image of {name} stays {now}")
        chosen = now or then
        if "@sha256:" in chosen:
            fixed[name] = chosen
    _put(config, "images", "fixed", fixed)


def _engine(target: Target, name: str) -> str | None:
    """The image that an engine runs on now, whatever the state says."""
    found = target.listed("data", "statefulsets", f"app.kubernetes.io/name={name}")
    return str(found[0]["spec"]["template"]["spec"]["containers"][0]["image"]) if found else None


def _key(config: Mapping[str, Any], name: str) -> str:
    return next((key for key in config if own(key) == name), f"{NAMESPACE}:{name}")


def _group(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = config.get(_key(config, name))
    return found if isinstance(found, dict) else {}


def _put(config: dict[str, Any], group: str, name: str, value: Any) -> None:
    key = _key(config, group)
    config[key] = {**_group(config, group), name: value}
