"""A stand-in for `gcloud`, for the simulated Google Cloud: the few words that a stack to verify needs besides `pulumi`.

What is labelled it lists from that cloud; what is in buckets it removes there. Everything else it knows nothing of, and
says so.
"""

import json
import os
import sys
from pathlib import Path

import httpx

from localcloud import paths
from localcloud.plugins.gcp import cloud

ADDRESS = "203.0.113.7"


def main(words: list[str]) -> str:
    options = dict(word.removeprefix("--").partition("=")[::2] for word in words if word.startswith("--"))
    match [word for word in words if not word.startswith("--")]:
        case ["services", "enable", _]:
            return ""
        case ["compute", "addresses", *rest]:
            return _addresses(*rest)
        case ["compute", "forwarding-rules" | "disks", "list"]:
            return "[]"
        case ["container", "backup-restore", "backups", "list"]:
            return "[]"
        case ["storage", "rm", address]:
            return _emptied(address.removeprefix("gs://").partition("/")[0])
        case ["asset", "search-all-resources"]:
            return json.dumps(_labelled(options["query"].removeprefix("labels.stack=")))
    sys.exit(f"The stand-in for gcloud knows nothing of `{' '.join(words)}`.")


def _addresses(action: str, name: str | None = None) -> str:
    file = paths.state() / "addresses.json"
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    if action == "create":
        kept[str(name)] = ADDRESS
    elif action == "delete":
        del kept[str(name)]
    file.write_text(json.dumps(kept))
    if action == "describe":
        return json.dumps({"name": name, "address": kept[str(name)]})
    return json.dumps([{"name": each} for each in kept]) if action == "list" else ""


def _emptied(bucket: str) -> str:
    place = f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b/{bucket}/o"
    answer = httpx.get(place, trust_env=False)
    if answer.is_error:
        sys.exit(f"gs://{bucket} not found: 404.")
    for each in answer.json().get("items", ()):
        httpx.delete(f"{place}/{each['name'].replace('/', '%2F')}", trust_env=False).raise_for_status()
    return ""


def _labelled(stack: str) -> list[dict[str, str]]:
    with cloud.world() as world:
        return [
            {"assetType": _kind(token), "name": f"//{name}"}
            for token, things in world.things.items()
            for name, thing in things.items()
            if stack in {thing.inputs.get(each, {}).get("stack") for each in ("labels", "resourceLabels")}
        ]


def _kind(token: str) -> str:
    """`storage.googleapis.com/Bucket` of `gcp:storage/bucket:Bucket`."""
    _, place, kind = token.split(":")
    service = place.partition("/")[0]
    return f"{ {'kms': 'cloudkms'}.get(service, service) }.googleapis.com/{kind}"


if __name__ == "__main__":
    # A folder, as the real one has its configuration in.
    Path(paths.state()).mkdir(parents=True, exist_ok=True)
    sys.stdout.write(main(sys.argv[1:]))
