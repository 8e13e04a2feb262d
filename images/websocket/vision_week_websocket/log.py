"""One JSON object a line on stderr, in the form that the application's logs have."""

import json
import logging
from datetime import UTC, datetime

_LEVELS = {"WARN": "WARNING", "NOTICE": "INFO"}


class JsonLines(logging.Formatter):
    """A record and what was given as `extra={"fields": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "service": "websocket",
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str) -> None:
    """Send everything to stderr; of the WebSocket library only what is wrong with ourselves."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    level = _LEVELS.get(level, level)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level != "DEBUG":
        # Every port scan and every broken client is an error to it, with a traceback.
        logging.getLogger("websockets").setLevel(logging.CRITICAL)
