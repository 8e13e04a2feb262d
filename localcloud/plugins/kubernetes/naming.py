"""Names for objects that the program doesn't name: the resource's own and eight hexadecimal digits.

The digits let a replacement be made beside the object that it replaces. An object keeps its name for as long as it
lives; an annotation marks it, so that who renames it later replaces it on purpose.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.plugins.kubernetes.annotations import AUTONAMED, marked
from localcloud.plugins.kubernetes.objects import name_of
from localcloud.plugins.provider import Check, Failed
from localcloud.plugins.values import Unknown, Values

_DIGITS = 8


def settle_name(
    inputs: Values, old: Mapping[str, Any], request: Check, interrupted: Callable[[str], str] = lambda _: ""
) -> None:
    """Give the object its name, in place: the program's, else the one it has, else a new one.

    interrupted: gives the name that an interrupted creation of the resource had made up.
    """
    metadata = inputs.setdefault("metadata", {})
    if isinstance(metadata, Unknown) or metadata.get("name"):
        return
    if metadata.get("generateName"):
        raise Failed("metadata.generateName can't be used: leave it out, and a unique name is made")
    if not old:
        metadata["name"] = interrupted(request.resource.urn) or _new_name(request)
    elif marked(old, AUTONAMED):
        metadata["name"] = name_of(old)
    else:  # the program named it before, and no longer does
        metadata["name"] = _new_name(request)
    annotations = metadata.setdefault("annotations", {})
    if not isinstance(annotations, Unknown):
        annotations[AUTONAMED] = "true"


def _new_name(request: Check) -> str:
    naming = request.naming
    if naming and naming.mode == "disable":
        raise Failed("metadata.name is missing, and the engine's configuration forbids to make one (pulumi:autonaming)")
    if naming and naming.proposed:
        return naming.proposed
    digest = hashlib.sha256(request.seed or secrets.token_bytes(16)).hexdigest()
    return f"{request.resource.name}-{digest[:_DIGITS]}"
