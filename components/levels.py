"""How bad a line of a log is, whatever word its program has for that."""

from collections.abc import Mapping
from typing import Final

# What is told of, from the least.
LEVELS: Final = ("debug", "info", "warning", "error")
# What PostgreSQL, Patroni, Redis' proxies and Python call them.
WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("trace", "debug1", "debug2", "debug3", "debug4", "debug5"), "debug"),
    **dict.fromkeys(("log", "notice", "statement"), "info"),
    "warn": "warning",
    **dict.fromkeys(("fatal", "panic", "critical", "crit", "alert", "emerg"), "error"),
}
# OpenTelemetry's numbers for them.
SEVERITIES: Final[Mapping[str, int]] = {"debug": 5, "info": 9, "warning": 13, "error": 17}
# Where a line has the word, in this order.
KEYS: Final = ("level", "levelname", "error_severity")
