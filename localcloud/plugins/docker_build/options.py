"""An image's exports and caches in buildctl's words: `type=registry,ref=…`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from localcloud.plugins.provider import Failed
from localcloud.plugins.registry import kept_name

# Property -> buildctl's word, in the official provider's order.
_EXPORT_WORDS: Final[Mapping[str, str]] = {
    "dest": "dest",
    "tar": "tar",
    "push": "push",
    "pushByDigest": "push-by-digest",
    "insecure": "insecure",
    "danglingNamePrefix": "dangling-name-prefix",
    "nameCanonical": "name-canonical",
    "unpack": "unpack",
    "store": "store",
    "ociMediaTypes": "oci-mediatypes",
    "compression": "compression",
    "compressionLevel": "compression-level",
    "forceCompression": "force-compression",
}
_CACHE_WORDS: Final[Mapping[str, str]] = {
    "src": "src",
    "dest": "dest",
    "digest": "digest",
    "ref": "ref",
    "mode": "mode",
    "ignoreError": "ignore-error",
    "ociMediaTypes": "oci-mediatypes",
    "imageManifest": "image-manifest",
    "compression": "compression",
    "compressionLevel": "compression-level",
    "forceCompression": "force-compression",
}
_EXPORTS: Final = ("tar", "local", "registry", "image", "oci", "docker", "cacheonly")
# Only what a machine without the internet has; the others keep their caches in clouds.
_CACHES: Final = ("local", "registry", "inline")
_COMPRESSION: Final = {"compression": "gzip", "compression-level": "1"}

Attributes = dict[str, str]


def export(entry: Mapping[str, Any]) -> Attributes:
    """One export as attributes, `type` among them; empty if it is disabled."""
    if entry.get("disabled"):
        return {}
    if raw := entry.get("raw"):
        attributes = _parse(raw)
    else:
        kind, given = _only(entry, _EXPORTS, "exports")
        attributes = {"type": kind, **_words(given, _EXPORT_WORDS)}
        for name in given.get("names") or ():
            attributes["name"] = f"{attributes['name']},{name}" if "name" in attributes else name
        for name, value in sorted((given.get("annotations") or {}).items()):
            attributes[f"annotation.{name}"] = value
    if attributes["type"] == "registry":
        attributes = {"push": "true", **attributes, "type": "image"}
    return attributes


def cache(entry: Mapping[str, Any]) -> Attributes:
    """One cache as attributes; empty if it is disabled."""
    if entry.get("disabled"):
        return {}
    if raw := entry.get("raw"):
        attributes = _parse(raw)
    else:
        kind, given = _only(entry, _CACHES, "caches")
        attributes = {"type": kind, **_words(given, _CACHE_WORDS)}
    return attributes | ({"ref": kept_name(attributes["ref"])} if "ref" in attributes else {})


def pushes(attributes: Mapping[str, str]) -> bool:
    """Whether an export leaves this machine's BuildKit for a registry."""
    return attributes.get("type") == "image" and attributes.get("push") == "true"


def with_defaults(attributes: Mapping[str, str], tags: Sequence[str], *, preview: bool) -> Attributes:
    """An export completed: named by the image's tags, never pushed by a preview."""
    if attributes["type"] not in ("image", "oci", "docker"):
        return dict(attributes)
    # The registry is on this machine, so time spent on compressing is lost.
    completed = {**_COMPRESSION, **attributes}
    if tags:
        completed["name"] = ",".join(tags)
    if "name" in completed:
        completed["name"] = ",".join(map(kept_name, completed["name"].split(",")))
    if preview and completed["type"] == "image":
        completed["push"] = "false"
    return completed


def text(attributes: Mapping[str, str]) -> str:
    """Attributes as buildctl reads them; what has a comma is quoted."""
    fields = [f"{name}={value}" for name, value in attributes.items()]
    return ",".join(
        '"{}"'.format(field.replace('"', '""')) if "," in field or '"' in field else field for field in fields
    )


def _only(entry: Mapping[str, Any], kinds: Sequence[str], what: str) -> tuple[str, Mapping[str, Any]]:
    given = [name for name, value in entry.items() if value is not None and name not in ("disabled", "raw")]
    if len(given) != 1:
        raise Failed(f"{what} should only specify one type, not {', '.join(given) or 'none'}")
    if given[0] not in kinds:
        raise Failed(f"{given[0]} is not among the {what} of the local docker-build plugin: {', '.join(kinds)}")
    return given[0], entry[given[0]]


def _words(given: Mapping[str, Any], words: Mapping[str, str]) -> Attributes:
    attributes = {}
    for name, word in words.items():
        value = given.get(name)
        if value is not None:
            attributes[word] = str(value).lower() if isinstance(value, bool) else str(value)
    return attributes


def _parse(raw: str) -> Attributes:
    """`type=registry,ref=…`; a path alone is a folder to export to."""
    if "=" not in raw:
        return {"type": "tar", "dest": "-"} if raw == "-" else {"type": "local", "dest": raw}
    attributes = {}
    for field in _fields(raw):
        name, equals, value = field.partition("=")
        if not equals:
            raise Failed(f"{field!r} in {raw!r} is no `name=value`")
        attributes[name.strip().lower()] = value
    if "type" not in attributes:
        raise Failed(f"{raw!r} says no type")
    return attributes


def _fields(raw: str) -> list[str]:
    import csv  # noqa: PLC0415  hardly ever needed

    return next(csv.reader([raw]))
