"""Whether everything is still as a stack's state has it, found out in a few requests; a refresh makes one for each.

An object is as it was made if it is the same one and its applier owns the same fields: the API server takes a field
from its owner as soon as somebody else gives it another value. Random and tls resources are in the state alone.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from localcloud.images import registry
from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.discovery import Discovery
from localcloud.plugins.kubernetes.errors import ApiError, NoSuchKind, Unreachable
from localcloud.plugins.kubernetes.kubeconfig import connect, load
from localcloud.plugins.kubernetes.quarantine import require_local
from localcloud.plugins.kubernetes.settings import settings_of
from localcloud.problem import Problem

_IMAGE: Final = "docker-build:index:Image"
_OBJECT: Final = "kubernetes:"
_IN_THE_STATE_ALONE: Final = ("pulumi:", "random:", "tls:")

_Resource = Mapping[str, Any]


def as_recorded(state: Path) -> bool:
    """Whether all that the state names is there, unchanged. No, if that can't be said for certain."""
    resources = (json.loads(state.read_text())["checkpoint"].get("latest") or {}).get("resources") or []
    made = [resource for resource in resources if resource.get("custom")]
    objects: dict[str, list[_Resource]] = defaultdict(list)
    images: list[_Resource] = []
    for resource in made:
        if resource["type"].startswith(_OBJECT):
            objects[resource.get("provider", "")].append(resource)
        elif resource["type"] == _IMAGE:
            images.append(resource)
        elif not resource["type"].startswith(_IN_THE_STATE_ALONE):
            return False
    providers = {f"{resource['urn']}::{resource['id']}": resource for resource in made}
    try:
        return _images_are_there(images) and all(
            _objects_are_there(providers[provider]["inputs"], those) for provider, those in objects.items()
        )
    except (ApiError, NoSuchKind, Unreachable, Problem, KeyError, TypeError):
        return False


def _images_are_there(images: Iterable[_Resource]) -> bool:
    digests = [(tag, image["outputs"]["digest"]) for image in images for tag in image["outputs"]["tags"]]
    if not digests:
        return True
    with registry.connect() as local:
        for tag, digest in digests:
            address, _, repository = tag.rpartition(":")[0].partition("/")
            if address != registry.ADDRESS or local.digest(registry.Name(repository, digest)) is None:
                return False
    return True


def _objects_are_there(provider: Mapping[str, Any], objects: Iterable[_Resource]) -> bool:
    settings = settings_of(provider)
    connection = connect(load(settings.kubeconfig), settings.context, settings.cluster, settings.namespace)
    require_local(connection.server, connection.proxy)
    client = Client(connection, cancelled=threading.Event())
    kinds = Discovery(client)
    kinds.load(patience=0)
    recorded: dict[tuple[str, str, str], dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for resource in objects:
        outputs = resource["outputs"]
        metadata = outputs["metadata"]
        place = (outputs["apiVersion"], outputs["kind"], metadata.get("namespace", ""))
        recorded[place][metadata["name"]] = outputs
    for (version, kind, namespace), known in recorded.items():
        listed = client.request("GET", kinds.find(version, kind).path(namespace), patience=0)["items"]
        live = {item["metadata"]["name"]: item for item in listed}
        if not all(name in live and _same(live[name], outputs) for name, outputs in known.items()):
            return False
    return True


def _same(live: Mapping[str, Any], outputs: Mapping[str, Any]) -> bool:
    now, then = live["metadata"], outputs["metadata"]
    manager = outputs["__fieldManager"]
    owned = _owned(now, manager)
    return (
        now["uid"] == then["uid"]
        and "deletionTimestamp" not in now
        and owned is not None
        and owned == _owned(then, manager)
    )


def _owned(metadata: Mapping[str, Any], manager: str) -> Any:
    """The fields that this applier owns."""
    for entry in metadata.get("managedFields") or ():
        if (entry["manager"], entry["operation"]) == (manager, "Apply") and not entry.get("subresource"):
            return entry.get("fieldsV1")
    return None
