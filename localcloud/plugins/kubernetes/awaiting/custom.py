"""Readiness as the program defines it: the annotation `pulumi.com/waitFor`, with kubectl's expressions.

One expression, a list of which all must hold at once, or `{"operator": "and" or "or", "conditions": [...]}`, nested.
"""

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.plugins.kubernetes.annotations import WAIT_FOR
from localcloud.plugins.kubernetes.awaiting.jsonpath import Path, parse, values
from localcloud.plugins.kubernetes.awaiting.readiness import READY, Readiness, Verdict, View, number, waiting
from localcloud.plugins.kubernetes.objects import field_of
from localcloud.plugins.provider import Failed

Test = Callable[[Mapping[str, Any]], str]  # what is still missing; empty where it holds


def custom_readiness(expression: Any) -> Readiness:
    """Ready when the expression holds."""
    test = _test(expression)

    def assess(view: View) -> Verdict:
        missing = test(view.live)
        return waiting(missing) if missing else READY

    return Readiness(assess)


def _test(expression: Any) -> Test:
    if isinstance(expression, str) and expression.startswith("jsonpath="):
        return _jsonpath(expression)
    if isinstance(expression, str) and expression.startswith("condition="):
        return _condition(expression)
    if isinstance(expression, list) and expression:
        return _all([_test(one) for one in expression])
    if isinstance(expression, Mapping) and expression.get("operator") in {"and", "or"} and expression.get("conditions"):
        tests = [_test(one) for one in expression["conditions"]]
        return _all(tests) if expression["operator"] == "and" else _any(tests)
    raise Failed(
        f"the annotation {WAIT_FOR} must be `jsonpath=…`, `condition=…`, a JSON list of such, "
        f'or {{"operator": "and" or "or", "conditions": […]}}, not {expression!r}'
    )


def _all(tests: list[Test]) -> Test:
    return lambda live: next((missing for test in tests if (missing := test(live))), "")


def _any(tests: list[Test]) -> Test:
    def missing(live: Mapping[str, Any]) -> str:
        found = [test(live) for test in tests]
        return "" if "" in found else ", and ".join(found)

    return missing


def _jsonpath(text: str) -> Test:
    """`jsonpath={.a.b}` or `jsonpath={.a.b}=value`."""
    body = text.removeprefix("jsonpath=")
    end = body.rfind("}")
    rest = body[end + 1 :]
    path, wanted = parse(body[: end + 1]), rest.removeprefix("=").strip("'\"") if rest.startswith("=") else None
    return lambda live: "" if _holds(path, wanted, live) else f"{text} does not hold"


def _condition(text: str) -> Test:
    """`condition=Type` or `condition=Type=Status`."""
    kind, _, given = text.removeprefix("condition=").partition("=")
    status = given.strip("'\"") or "True"

    def missing(live: Mapping[str, Any]) -> str:
        found = _find(live, kind)
        if str(found.get("status", "")).lower() == status.lower():
            return ""
        reason = f": {found.get('reason', '')}: {found.get('message', '')}" if found else ""
        return f"its condition {kind} is not {status}{reason}"

    return missing


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
