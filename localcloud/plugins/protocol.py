"""The messages of Pulumi's provider protocol, without the SDK around them.

Importing any part of the `pulumi` package runs all of it: 0.4 s of processor time, where the messages alone take 0.1 s,
and every plugin pays that at every command. So they are loaded from the SDK's directory behind empty parent packages,
which are taken away again: whoever imports `pulumi` later gets the real one.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        language_pb2,
        language_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        status_pb2,
    )
else:
    _PACKAGES = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")

    def _load(*names: str) -> list[ModuleType]:
        spec = importlib.util.find_spec("pulumi")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("No module named 'pulumi'")
        sdk = Path(spec.origin).parent
        empty: list[str] = []
        for package in _PACKAGES:
            if package not in sys.modules:
                module = ModuleType(package)
                module.__path__ = [str(sdk.joinpath(*package.split(".")[1:]))]
                sys.modules[package] = module
                empty.append(package)
        try:
            return [importlib.import_module(f"pulumi.runtime.proto.{name}") for name in names]
        finally:
            for name in [name for name in sys.modules if empty and f"{name}.".startswith("pulumi.")]:
                del sys.modules[name]

    (
        engine_pb2,
        engine_pb2_grpc,
        language_pb2,
        language_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        status_pb2,
    ) = _load(
        "engine_pb2",
        "engine_pb2_grpc",
        "language_pb2",
        "language_pb2_grpc",
        "plugin_pb2",
        "provider_pb2",
        "provider_pb2_grpc",
        "status_pb2",
    )

MESSAGE_LIMIT = 400 * 1024 * 1024  # bytes, the engine's own limit: a stack's largest resource must pass

__all__ = [
    "MESSAGE_LIMIT",
    "engine_pb2",
    "engine_pb2_grpc",
    "language_pb2",
    "language_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "status_pb2",
]
