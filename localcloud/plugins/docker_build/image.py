"""An image as the program describes it: what is wrong with it, what has changed, and the build that makes it."""

import base64
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from localcloud.plugins.changes import Change, Kind
from localcloud.plugins.docker_build import context, options
from localcloud.plugins.docker_build.buildctl import Build
from localcloud.plugins.provider import Failed, Refused
from localcloud.plugins.values import UNKNOWN, Secret, Unknown, Values, has_unknown, reveal

DEFAULTS: Final = {"buildOnPreview": True, "network": "default"}
# Compared as they are; the others need a closer look.
_PLAIN: Final = (
    "addHosts",
    "buildArgs",
    "buildOnPreview",
    "builder",
    "cacheFrom",
    "cacheTo",
    "dockerfile",
    "labels",
    "load",
    "network",
    "noCache",
    "platforms",
    "pull",
    "push",
    "ssh",
    "tags",
    "target",
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


def complete(inputs: Mapping[str, Any]) -> Values:
    """The inputs with the defaults that the official provider writes into them."""
    given = {name: value for name, value in inputs.items() if value is not None}
    completed = {**DEFAULTS, **given}
    if isinstance(completed.get("secrets"), dict):
        completed["secrets"] = Secret(reveal(completed["secrets"]))
    place = reveal(completed.setdefault("context", {"location": "."}))
    dockerfile = reveal(completed.setdefault("dockerfile", {}))
    location = place.get("location") if isinstance(place, dict) else UNKNOWN
    if dockerfile == {} and isinstance(location, str) and not context.is_remote(location):
        completed["dockerfile"] = {"location": str(Path(location, "Dockerfile"))}
    return completed


def refuse(inputs: Values) -> None:
    """Raise `Refused` with all that is wrong; what isn't known yet can't be wrong."""
    image = reveal(inputs)
    failures = [*_wrong_files(image), *_wrong_exports(image)]
    if image.get("load"):
        failures.append(("load", "the local docker-build plugin has no Docker engine to load the image into; use push"))
    if image.get("exec"):
        failures.append(("exec", "the local docker-build plugin always builds by buildctl; leave exec out"))
    if failures:
        raise Refused(failures)


def _wrong_files(image: Values) -> list[tuple[str, str]]:
    place, dockerfile = image["context"], image["dockerfile"]
    failures = []
    location = _known(place, "location")
    if location and not context.is_remote(location) and not Path(location).is_dir():
        failures.append(("context.location", f'"{location}": not a valid directory or URL'))
    file, inline = _known(dockerfile, "location"), _known(dockerfile, "inline")
    if file and inline:
        failures.append(("dockerfile", 'only specify "location" or "inline", not both'))
    elif file and not context.is_remote(file) and not (location and context.is_remote(location)):
        if not Path(file).is_file():
            failures.append(("dockerfile.location", f"{file}: no such file"))
        elif not context.has_stage(Path(file).read_text()):
            failures.append(("dockerfile.location", f"{file}: no build stage, it has no FROM"))
    elif inline and not context.has_stage(inline):
        failures.append(("dockerfile.inline", "no build stage, it has no FROM"))
    return failures


def _wrong_exports(image: Values) -> list[tuple[str, str]]:
    failures: list[tuple[str, str]] = []
    places = [(f"tags[{index}]", tag) for index, tag in enumerate(_items(image, "tags")) if isinstance(tag, str)]
    pushed = image.get("push") is True
    for index, attributes in _read(image, "exports", options.export, failures):
        if options.pushes(attributes):
            pushed = True
            names = attributes.get("name", "").split(",")
            places += [(f"exports[{index}]", name) for name in names if name and not image.get("tags")]
    if not pushed:
        places = []
    elif not places and not has_unknown(image.get("tags")):
        failures.append(("tags", "at least one tag or export name is needed when pushing to a registry"))
    for index, attributes in _read(image, "cacheTo", options.cache, failures):
        if attributes.get("type") == "registry":
            places.append((f"cacheTo[{index}]", attributes.get("ref", "")))
    _read(image, "cacheFrom", options.cache, failures)
    return failures + [(place, wrong) for place, name in places if (wrong := _foreign(name))]


def _read(
    image: Values,
    name: str,
    reader: Callable[[Mapping[str, Any]], options.Attributes],
    failures: list[tuple[str, str]],
) -> list[tuple[int, options.Attributes]]:
    """The known entries of a list, each by its index; what is wrong with others joins the failures."""
    entries = []
    for index, entry in enumerate(_items(image, name)):
        try:
            if not has_unknown(entry) and (attributes := reader(entry)):
                entries.append((index, attributes))
        except Failed as error:
            failures.append((f"{name}[{index}]", str(error)))
    return entries


def _foreign(reference: str) -> str | None:
    host = reference.partition("/")[0]
    if host.rpartition(":")[0] in _LOOPBACK or host in _LOOPBACK:
        return None
    return (
        f"{reference} is not in this machine's registry, and the local docker-build plugin pushes nowhere else: "
        "name it localhost:<port>/…, or build with the official Pulumi"
    )


def is_pushed(image: Values) -> bool:
    """Whether the image goes to a registry."""
    return image.get("push") is True or any(
        options.pushes(options.export(entry)) for entry in _items(image, "exports") if not has_unknown(entry)
    )


def replaced_stages(image: Values) -> dict[str, str]:
    """What takes the place of the Dockerfile's stages on this machine: stage -> image. The program's own come first."""
    available = json.loads(os.environ.get("LOCALCLOUD_BUILD_CONTEXTS") or "{}")
    file, inline = _known(image["dockerfile"], "location"), _known(image["dockerfile"], "inline")
    text = inline or (Path(file).read_text() if file and Path(file).is_file() else "")
    named = _named(image)
    return {
        stage: available[stage]
        for stage in sorted(context.stage_names(text))
        if stage in available and stage not in named
    }


def context_hash(image: Values) -> str | Unknown:
    """The digest of what the build reads, unknown as long as it isn't known what that is."""
    if has_unknown(image["context"]) or has_unknown(image["dockerfile"]):
        return UNKNOWN
    return context.digest(
        _known(image["context"], "location") or ".",
        _known(image["dockerfile"], "location") or "",
        _named(image),
        list(replaced_stages(image).values()),
    )


def changes(old: Values, new: Values) -> dict[str, Change]:
    """What has changed, as the official provider reports it; every change is a build in place."""
    changed = [name for name in _PLAIN if _differ(old.get(name), new.get(name))]
    old_context, new_context = old.get("context") or {}, new["context"]
    if _known(old_context, "location") != _known(new_context, "location"):
        changed.append("context.location")
    if _differ(_named(old), _named(new)):
        changed.append("context.named")
    if _export_texts(old) != _export_texts(new):
        changed.append("exports")
    changed += [f"exports[{index}]" for index in _missing_exports(new)]
    if _differ(*_compared_secrets(old, new)):
        changed.append("secrets")
    if _registries(old) != _registries(new):
        changed.append("registries")
    # `pull` asks for bases as they are now: only a build can tell whether they have changed.
    pulled = new.get("pull") and (new.get("exports") or new.get("push") or new.get("load"))
    if pulled or context_hash(new) != old.get("contextHash"):
        changed.append("contextHash")
    return {name: Change(Kind.UPDATE, of_inputs=name != "contextHash") for name in changed}


def _differ(old: Any, new: Any) -> bool:
    """Nothing, null, false and empty are the same."""
    return (old or None) != (new or None)


def _export_texts(image: Values) -> list[Any]:
    return [
        UNKNOWN if has_unknown(entry) else options.text(options.export(entry)) for entry in _items(image, "exports")
    ]


def _missing_exports(image: Values) -> list[int]:
    """Exports to the disk that are no longer there."""
    missing = []
    for index, entry in enumerate(_items(image, "exports")):
        attributes = {} if has_unknown(entry) else options.export(entry)
        if attributes.get("type") in ("local", "tar") and not Path(attributes.get("dest", "")).exists():
            missing.append(index)
    return missing


def _compared_secrets(old: Values, new: Values) -> tuple[Values, Values]:
    before, after = (
        dict(secrets) if isinstance(secrets := image.get("secrets"), dict) else {"": secrets} for image in (old, new)
    )
    for name in _items(new, "ignoreSecretsInDiffCalculation"):
        if name in before and name in after:
            del before[name], after[name]
    return before, after


def _registries(image: Values) -> list[Any]:
    """Passwords may change with every run, which is no reason to build."""
    return [
        (registry.get("address"), registry.get("username")) if isinstance(registry, dict) else registry
        for registry in _items(image, "registries")
    ]


def to_build(image: Values, *, preview: bool) -> Build:
    """The build of a known image."""
    words: dict[str, str] = {}
    words |= {f"build-arg:{name}": value for name, value in (image.get("buildArgs") or {}).items()}
    words |= {f"label:{name}": value for name, value in (image.get("labels") or {}).items()}
    if image.get("target"):
        words["target"] = image["target"]
    if image.get("platforms"):
        words["platform"] = ",".join(image["platforms"])
    if image.get("addHosts"):
        words["add-hosts"] = ",".join(host.replace(":", "=", 1) for host in image["addHosts"])
    if image.get("pull"):
        words["image-resolve-mode"] = "pull"
    network = image.get("network", "default")
    if network != "default":
        words["force-network-mode"] = network
    exports = [options.export(entry) for entry in image.get("exports") or ()]
    if image.get("push"):
        exports.append({"type": "image", "push": "true"})
    tags: Sequence[str] = image.get("tags") or ()
    wanted = [entry for entry in exports if entry and entry["type"] != "cacheonly"]
    # Without an export BuildKit tells no digest.
    wanted = wanted or [{"type": "image"}]
    return Build(
        context=_known(image["context"], "location") or ".",
        dockerfile=_known(image["dockerfile"], "location") or "",
        inline=_known(image["dockerfile"], "inline") or "",
        named={**_named(image), **replaced_stages(image)},
        options=words,
        outputs=[options.text(options.with_defaults(entry, tags, preview=preview)) for entry in wanted],
        cache_from=[options.text(entry) for given in image.get("cacheFrom") or () if (entry := options.cache(given))],
        cache_to=[options.text(entry) for given in image.get("cacheTo") or () if (entry := options.cache(given))],
        secrets=image.get("secrets") or {},
        ssh=[_ssh(entry) for entry in image.get("ssh") or ()],
        allow=["network.host"] if network == "host" else [],
        no_cache=bool(image.get("noCache")),
    )


def credentials(image: Values, of_provider: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """The registries' credentials in the Docker client's form; the image's own win over the provider's."""
    found = {}
    for registry in (*of_provider, *(image.get("registries") or ())):
        pair = f"{registry.get('username', '')}:{registry.get('password', '')}"
        found[str(registry["address"])] = {"auth": base64.b64encode(pair.encode()).decode()}
    return found


def reference(tags: Sequence[str], digest: str) -> str:
    """The first tag that names its registry, with the digest; without a digest the first tag as it is."""
    for tag in tags:
        host, slash, _ = tag.partition("/")
        if digest and slash and (":" in host or "." in host or host == "localhost"):
            last = tag.rpartition("/")[2]
            return f"{tag}@{digest}" if ":" in last else f"{tag}:latest@{digest}"
    return tags[0] if tags else ""


def _ssh(entry: Mapping[str, Any]) -> str:
    paths = ",".join(entry.get("paths") or ())
    return f"{entry['id']}={paths}" if paths else str(entry["id"])


def _named(image: Values) -> dict[str, str]:
    place = image.get("context") or {}
    named = place.get("named") if isinstance(place, dict) else None
    return {name: given["location"] for name, given in (named or {}).items()} if isinstance(named, dict) else {}


def _items(image: Values, name: str) -> list[Any]:
    """A list's entries; one unknown if the whole list is."""
    value = image.get(name)
    return value if isinstance(value, list) else [UNKNOWN] if isinstance(value, Unknown) else []


def _known(given: Any, name: str) -> str:
    value = given.get(name) if isinstance(given, dict) else None
    return value if isinstance(value, str) else ""
