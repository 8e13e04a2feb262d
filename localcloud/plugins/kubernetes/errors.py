"""What the API server says when it says no."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The API server answered, with an error."""

    def __init__(self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = dict(details or {})

    @classmethod
    def of(cls, status: int, body: Mapping[str, Any] | None, fallback: str) -> "ApiError":
        """The error of an answer; its body is a `Status` object unless something between us and the server made it."""
        if body and body.get("kind") == "Status":
            return cls(status, body.get("reason", ""), body.get("message", fallback), body.get("details"))
        return cls(status, "", fallback)

    @property
    def not_found(self) -> bool:
        return self.status == 404

    @property
    def conflict(self) -> bool:
        return self.status == 409 and self.reason == "Conflict"

    @property
    def forbidden(self) -> bool:
        return self.status == 403


class NoSuchKind(Exception):
    """The API server doesn't serve this kind, at least not in this version."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f"the API server knows no {kind} in {api_version}")
        self.api_version = api_version
        self.kind = kind


class Unreachable(Exception):
    """No answer at all: no server there, no way to it, or no credentials that can be had."""
