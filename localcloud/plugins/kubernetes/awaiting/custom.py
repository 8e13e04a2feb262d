"""Readiness as the program defines it: the annotation `pulumi.com/waitFor`, with kubectl's expressions."""

from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.plugins.kubernetes.awaiting.jsonpath import Path, parse, values
from localcloud.plugins.kubernetes.awaiting.readiness import READY, Readiness, Verdict, View, number, waiting
from localcloud.plugins.kubernetes.objects import field_of


def custom_readiness(expressions: Sequence[str]) -> Readiness:
    """Ready when all of the expressions hold at once."""
    paths = [(text, *_jsonpath(text)) for text in expressions if text.startswith("jsonpath=")]
    wanted = [_condition(text) for text in expressions if text.startswith("condition=")]

    def assess(view: View) -> Verdict:
        for text, path, value in paths:
            if not _holds(path, value, view.live):
                return waiting(f"{text} does not hold")
        for kind, status in wanted:
            found = _find(view.live, kind)
            if str(found.get("status", "")).lower() != status.lower():
                reason = f": {found.get('reason', '')}: {found.get('message', '')}" if found else ""
                return waiting(f"its condition {kind} is not {status}{reason}")
        return READY

    return Readiness(assess)


def _jsonpath(text: str) -> tuple[Path, str | None]:
    """`jsonpath={.a.b}` or `jsonpath={.a.b}=value`."""
    body = text.removeprefix("jsonpath=")
    end = body.rfind("}")
    rest = body[end + 1 :]
    return parse(body[: end + 1]), rest.removeprefix("=").strip("'\"") if rest.startswith("=") else None


def _condition(text: str) -> tuple[str, str]:
    """`condition=Type` or `condition=Type=Status`."""
    kind, _, status = text.removeprefix("condition=").partition("=")
    return kind, status.strip("'\"") or "True"


def _holds(path: Path, wanted: str | None, live: Mapping[str, Any]) -> bool:
    found = values(path, live)
    if wanted is None:
        return bool(found)
    return len(found) == 1 and _text(found[0]) == wanted


def _find(live: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition, unless it speaks of an older version of the object."""
    for found in field_of(live, "status", "conditions") or ():
        if str(found.get("type", "")).lower() == kind.lower():
            old = found.get("observedGeneration")
            return {} if old is not None and old < number(live, "metadata", "generation") else dict(found)
    return {}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
