"""Property values as plain Python, and their form on the wire.

Numbers, strings, lists and dicts are themselves. What has no equal in Python is wrapped: a value that must stay secret
(`Secret`), one that is not known before the update runs (`UNKNOWN`), files (`Asset`, `Archive`) and references to
resources. Wholly known and public data therefore needs no unwrapping, and forgetting to unwrap a secret is a type error
rather than a leak: `Secret` neither prints nor compares as what it holds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import struct_pb2

Values = dict[str, Any]

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  the protocol's mark of a secret, not one
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_REFERENCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
_ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
_ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"

_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS: Final = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


@dataclass(frozen=True)
class Secret:
    """A value that is encrypted in the state and hidden in what is printed."""

    value: Any = field(repr=False)


@dataclass(frozen=True)
class Unknown:
    """A value that only the update will know. There is one: `UNKNOWN`."""


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Asset:
    """A file: by its path, its text or its address. `hash` alone where the engine leaves the content out."""

    text: str | None = None
    path: str | None = None
    uri: str | None = None
    hash: str | None = None


@dataclass(frozen=True)
class Archive:
    """Many files: by their paths (`assets`), by the path or the address of an archive."""

    assets: Mapping[str, "Asset | Archive"] | None = None
    path: str | None = None
    uri: str | None = None
    hash: str | None = None


@dataclass(frozen=True)
class Reference:
    """A resource given as a value."""

    urn: str
    id: Any = None
    package_version: str | None = None


def reveal(value: Any) -> Any:
    """The value with every secret in it laid open; unknowns stay."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, Mapping):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [reveal(item) for item in value]
    return value


def has_secret(value: Any) -> bool:
    """Whether anything in the value is secret."""
    return isinstance(value, Secret) or any(has_secret(item) for item in _children(value))


def has_unknown(value: Any) -> bool:
    """Whether anything in the value is unknown, inside secrets too."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    return isinstance(value, Unknown) or any(has_unknown(item) for item in _children(value))


def seal(value: Any) -> Any:
    """The value as one secret, with none nested inside it."""
    return Secret(reveal(value))


def seal_like(value: Any, pattern: Any) -> Any:
    """The value with secrets where `pattern` has them: what was given as a secret comes back as one."""
    if isinstance(pattern, Secret):
        return seal(value)
    if isinstance(value, Secret):
        return value
    if isinstance(value, Mapping) and isinstance(pattern, Mapping):
        return {key: seal_like(item, pattern.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(pattern, list):
        return [seal_like(item, pattern[i] if i < len(pattern) else None) for i, item in enumerate(value)]
    return value


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


# From the wire.


def from_struct(struct: struct_pb2.Struct) -> Values:
    """The properties of a message."""
    return {key: from_value(value) for key, value in struct.fields.items()}


def from_value(value: struct_pb2.Value) -> Any:
    """One property. Whole numbers become `int`: JSON knows one kind of number, Python's users two."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in _UNKNOWNS else text
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [from_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE not in fields:
            return from_struct(value.struct_value)
        signature = fields[_SIGNATURE].string_value
        if signature not in _READERS:
            raise ValueError(f"a property of an unknown kind: signature {signature}")
        return _READERS[signature](from_struct(value.struct_value))
    return None


def _read_secret(fields: Values) -> Secret:
    return Secret(reveal(fields.get("value")))


def _read_output(fields: Values) -> Any:
    value = fields.get("value", UNKNOWN)
    return Secret(reveal(value)) if fields.get("secret") else value


def _read_reference(fields: Values) -> Reference:
    return Reference(urn=fields["urn"], id=fields.get("id"), package_version=fields.get("packageVersion"))


def _read_asset(fields: Values) -> Asset:
    return Asset(**{key: fields.get(key) for key in ("text", "path", "uri", "hash")})


def _read_archive(fields: Values) -> Archive:
    return Archive(**{key: fields.get(key) for key in ("assets", "path", "uri", "hash")})


_READERS: Final[dict[str, Callable[[Values], Any]]] = {
    _SECRET: _read_secret,
    _OUTPUT: _read_output,
    _REFERENCE: _read_reference,
    _ASSET: _read_asset,
    _ARCHIVE: _read_archive,
}


# To the wire.


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """A message's properties."""
    return struct_pb2.Struct(fields={key: to_value(value) for key, value in values.items()})


def to_value(value: Any) -> struct_pb2.Value:
    """One property's message."""
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=to_struct(value))
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[to_value(item) for item in value]))
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=_UNKNOWN_STRING)
    if isinstance(value, Secret):
        return _signed(_SECRET, {"value": reveal(value)})
    if isinstance(value, Reference):
        known = {"urn": value.urn, "id": value.id, "packageVersion": value.package_version}
        return _signed(_REFERENCE, {key: item for key, item in known.items() if item is not None})
    if isinstance(value, Asset):
        return _signed(_ASSET, {key: item for key, item in vars(value).items() if item is not None})
    if isinstance(value, Archive):
        return _signed(_ARCHIVE, {key: item for key, item in vars(value).items() if item is not None})
    raise TypeError(f"{type(value).__name__} can't be a property's value")


def _signed(signature: str, fields: Mapping[str, Any]) -> struct_pb2.Value:
    return to_value({_SIGNATURE: signature, **fields})
