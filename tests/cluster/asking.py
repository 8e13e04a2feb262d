"""What the test stack's Prometheus answers."""

import math
from typing import Any

import httpx


def asked(prometheus: httpx.Client, path: str, **parameters: str) -> Any:
    return prometheus.get(path, params=parameters).raise_for_status().json()["data"]


def value(prometheus: httpx.Client, expr: str) -> float:
    """The one value of an expression; nothing is 0."""
    found = asked(prometheus, "query", query=expr)["result"]
    return float(found[0]["value"][1]) if found else 0.0


def answers(prometheus: httpx.Client, expr: str) -> bool:
    """Whether there is a number: where nothing happened, some functions give none."""
    found = asked(prometheus, "query", query=expr)["result"]
    return any(not math.isnan(float(each["value"][1])) for each in found)
