"""An image as the program describes it: completed, compared with what it was, and put into words for the build."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from localcloud import dockerfile
from localcloud.plugins.changes import Change, Kind
from localcloud.plugins.docker_build import context, options
from localcloud.plugins.docker_build.build import Build
from localcloud.plugins.registry import encoded, with_digest
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


def complete(inputs: Mapping[str, Any]) -> Values:
    """The inputs with the defaults that the official provider writes into them."""
    given = {name: value for name, value in inputs.items() if value is not None}
    completed = {**DEFAULTS, **given}
    if isinstance(completed.get("secrets"), dict):
        completed["secrets"] = Secret(reveal(completed["secrets"]))
    if isinstance(completed.get("registries"), list):
        completed["registries"] = [with_hidden_password(registry) for registry in completed["registries"]]
    place = reveal(completed.setdefault("context", {"location": "."}))
    file = reveal(completed.setdefault("dockerfile", {}))
    location = place.get("location") if isinstance(place, dict) else UNKNOWN
    if file == {} and isinstance(location, str) and not context.is_remote(location):
        completed["dockerfile"] = {"location": str(Path(location, "Dockerfile"))}
    return completed


def with_hidden_password(registry: Any) -> Any:
    """A registry's credentials with the password as a secret, whether the program says so or not."""
    if not isinstance(registry, dict) or not isinstance(registry.get("password"), str):
        return registry
    return {**registry, "password": Secret(registry["password"])}


def is_pushed(image: Values) -> bool:
    """Whether the image goes to a registry."""
    return image.get("push") is True or any(
        options.pushes(options.export(entry)) for entry in items(image, "exports") if not has_unknown(entry)
    )


def replaced_stages(image: Values) -> dict[str, str]:
    """What takes the place of the Dockerfile's stages on this machine: stage -> image. The program's own come first."""
    available = json.loads(os.environ.get("LOCALCLOUD_BUILD_CONTEXTS") or "{}")
    file, inline = known(image["dockerfile"], "location"), known(image["dockerfile"], "inline")
    text = inline or (Path(file).read_text() if file and Path(file).is_file() else "")
    named = _named(image)
    return {
        stage: available[stage]
        for stage in sorted({stage.name for stage in dockerfile.stages(text) if stage.name})
        if stage in available and stage not in named
    }


def context_hash(image: Values) -> str | Unknown:
    """The digest of what the build reads, unknown as long as it isn't known what that is."""
    if has_unknown(image["context"]) or has_unknown(image["dockerfile"]):
        return UNKNOWN
    return context.digest(
        known(image["context"], "location") or ".",
        known(image["dockerfile"], "location") or "",
        _named(image),
        list(replaced_stages(image).values()),
    )


def changes(old: Values, new: Values) -> dict[str, Change]:
    """What has changed, as the official provider reports it; every change is a build in place."""
    changed = [name for name in _PLAIN if _differ(old.get(name), new.get(name))]
    old_context, new_context = old.get("context") or {}, new["context"]
    if known(old_context, "location") != known(new_context, "location"):
        changed.append("context.location")
    if _differ(_named(old), _named(new)):
        changed.append("context.named")
    if _export_texts(old) != _export_texts(new):
        changed.append("exports")
    changed += [f"exports[{index}]" for index in _missing_exports(new)]
    if _differ(*_compared_secrets(old, new)):
        changed.append("secrets")
    changed += _changed_registries(old, new)
    # `pull` asks for bases as they are now: only a build can tell whether they have changed.
    pulled = new.get("pull") and (new.get("exports") or new.get("push") or new.get("load"))
    if pulled or context_hash(new) != old.get("contextHash"):
        changed.append("contextHash")
    return {name: Change(Kind.UPDATE, of_inputs=name != "contextHash") for name in changed}


def _differ(old: Any, new: Any) -> bool:
    """Nothing, null, false and empty are the same."""
    return (old or None) != (new or None)


def _export_texts(image: Values) -> list[Any]:
    return [UNKNOWN if has_unknown(entry) else options.text(options.export(entry)) for entry in items(image, "exports")]


def _missing_exports(image: Values) -> list[int]:
    """Exports to the disk that are no longer there; an empty folder is none."""
    missing = []
    for index, entry in enumerate(items(image, "exports")):
        attributes = {} if has_unknown(entry) else options.export(entry)
        place = Path(attributes.get("dest", ""))
        kind = attributes.get("type")
        if (kind == "tar" and not place.exists()) or (
            kind == "local" and not (place.is_dir() and any(place.iterdir()))
        ):
            missing.append(index)
    return missing


def _compared_secrets(old: Values, new: Values) -> tuple[Values, Values]:
    before, after = (
        dict(secrets) if isinstance(secrets := image.get("secrets"), dict) else {"": secrets} for image in (old, new)
    )
    for name in items(new, "ignoreSecretsInDiffCalculation"):
        if name in before and name in after:
            del before[name], after[name]
    return before, after


def _changed_registries(old: Values, new: Values) -> list[str]:
    """The first that differs. Passwords may change with every run, which is no reason to build."""
    before, after = (
        [
            (registry.get("address"), registry.get("username")) if isinstance(registry, dict) else registry
            for registry in items(image, "registries")
        ]
        for image in (old, new)
    )
    if len(before) != len(after):
        return ["registries"]
    return [
        f"registries[{number}]" for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]
    ][:1]


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
    return Build(
        context=known(image["context"], "location") or ".",
        dockerfile=known(image["dockerfile"], "location") or "",
        inline=known(image["dockerfile"], "inline") or "",
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
    return {
        str(registry["address"]): {"auth": encoded(registry.get("username", ""), registry.get("password", ""))}
        for registry in (*of_provider, *(image.get("registries") or ()))
    }


def reference(tags: Sequence[str], digest: str) -> str:
    """The first tag that names its registry, with the digest; without a digest the first tag as it is."""
    full = (with_digest(tag, digest) for tag in tags if digest)
    return next((name for name in full if name), tags[0] if tags else "")


def _ssh(entry: Mapping[str, Any]) -> str:
    paths = ",".join(entry.get("paths") or ())
    return f"{entry['id']}={paths}" if paths else str(entry["id"])


def _named(image: Values) -> dict[str, str]:
    place = image.get("context") or {}
    named = place.get("named") if isinstance(place, dict) else None
    return {name: given["location"] for name, given in (named or {}).items()} if isinstance(named, dict) else {}


def items(image: Values, name: str) -> list[Any]:
    """A list's entries; one unknown if the whole list is."""
    value = image.get(name)
    return value if isinstance(value, list) else [UNKNOWN] if isinstance(value, Unknown) else []


def known(given: Any, name: str) -> str:
    """A text in a property, empty if it isn't there or not known yet."""
    value = given.get(name) if isinstance(given, dict) else None
    return value if isinstance(value, str) else ""
