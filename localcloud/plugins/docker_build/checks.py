"""What is wrong with an image as the program describes it: all of it at once, in the preview already.

What isn't known yet can't be wrong.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from localcloud import dockerfile
from localcloud.plugins.docker_build import context, image, options
from localcloud.plugins.provider import Failed, Refused
from localcloud.plugins.quarantine import is_local
from localcloud.plugins.registry import kept_name, parse
from localcloud.plugins.values import Values, has_unknown, reveal

Failures = list[tuple[str, str]]

_PLATFORM: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,2}")
_WITH_PASSWORD: Final = re.compile(r"^[a-z]+://[^/@]*:[^/@]+@")
_NAMELESS: Final = "at least one tag or export name is needed when pushing to a registry"


def refuse(inputs: Values) -> None:
    """Raise `Refused` with all that is wrong."""
    given = reveal(inputs)
    failures = [*_files(given), *_names(given), *_exports(given)]
    if given.get("load"):
        failures.append(("load", "the local docker-build plugin has no Docker engine to load the image into; use push"))
    if given.get("exec"):
        failures.append(("exec", "the local docker-build plugin always builds by buildctl; leave exec out"))
    if failures:
        raise Refused(failures)


def _files(given: Values) -> Failures:
    place, described = given["context"], given["dockerfile"]
    failures = []
    location = image.known(place, "location")
    if location and not context.is_remote(location) and not Path(location).is_dir():
        failures.append(("context.location", f'"{location}": not a valid directory or URL'))
    if _WITH_PASSWORD.match(location):
        hint = "everyone on this machine could read the password: give it as the secret GIT_AUTH_TOKEN"
        failures.append(("context.location", hint))
    file, inline = image.known(described, "location"), image.known(described, "inline")
    if file and inline:
        failures.append(("dockerfile", 'only specify "location" or "inline", not both'))
    elif file and not context.is_remote(file) and not (location and context.is_remote(location)):
        if not Path(file).is_file():
            failures.append(("dockerfile.location", f"{file}: no such file"))
        elif wrong := dockerfile.wrong(Path(file).read_text()):
            failures.append(("dockerfile.location", f"{file}: {wrong}"))
    elif inline and (wrong := dockerfile.wrong(inline)):
        failures.append(("dockerfile.inline", wrong))
    return failures


def _names(given: Values) -> Failures:
    failures = []
    for number, tag in enumerate(image.items(given, "tags")):
        if isinstance(tag, str) and parse(tag) is None:
            failures.append((f"tags[{number}]", f"{tag}: invalid reference format"))
    for number, platform in enumerate(image.items(given, "platforms")):
        if isinstance(platform, str) and not _PLATFORM.fullmatch(platform):
            failures.append((f"platforms[{number}]", f"{platform}: no platform such as linux/amd64"))
    return failures


def _exports(given: Values) -> Failures:
    failures: Failures = []
    tags = [(f"tags[{index}]", tag) for index, tag in enumerate(image.items(given, "tags")) if isinstance(tag, str)]
    nameless = not image.items(given, "tags")
    exports = _read(given, "exports", options.export, failures)
    if given.get("push") is True:
        exports.append((len(image.items(given, "exports")), {"type": "image", "push": "true"}))
    places: list[tuple[str, str]] = []
    for index, attributes in exports:
        if attributes["type"] in ("oci", "docker") and "dest" not in attributes:
            failures.append(
                (f"exports[{index}]", f"the local plugin has nowhere to put type={attributes['type']}: add dest")
            )
        if not options.pushes(attributes):
            continue
        names = [name for name in attributes.get("name", "").split(",") if name]
        if nameless and not names:
            failures.append((f"exports[{index}]", _NAMELESS))
        places += tags or [(f"exports[{index}]", name) for name in names]
    for index, attributes in _read(given, "cacheTo", options.cache, failures):
        if attributes.get("type") == "registry":
            places.append((f"cacheTo[{index}]", attributes.get("ref", "")))
    _read(given, "cacheFrom", options.cache, failures)
    return failures + [(place, wrong) for place, name in dict.fromkeys(places) if (wrong := _foreign(name))]


def _read(
    given: Values,
    name: str,
    reader: Callable[[Mapping[str, Any]], options.Attributes],
    failures: Failures,
) -> list[tuple[int, options.Attributes]]:
    """The known entries of a list, each by its index; what is wrong with others joins the failures."""
    entries = []
    for index, entry in enumerate(image.items(given, name)):
        try:
            if not has_unknown(entry) and (attributes := reader(entry)):
                entries.append((index, attributes))
        except Failed as error:
            failures.append((f"{name}[{index}]", str(error)))
    return entries


def _foreign(reference: str) -> str | None:
    if is_local(kept_name(reference).partition("/")[0]):
        return None
    return (
        f"{reference} is not in this machine's registry, and the local docker-build plugin pushes nowhere else: "
        "name it localhost:<port>/…, or build with the official Pulumi"
    )
