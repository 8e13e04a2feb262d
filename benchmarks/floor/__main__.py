"""The floor that the platform's preview is measured against: ConfigMaps, registered by a loop."""

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace

namespace = Namespace("floor", metadata={"name": "floor"})
for number in range(pulumi.Config().require_int("resources") - 1):
    ConfigMap(
        f"item-{number}",
        metadata={"name": f"item-{number}", "namespace": namespace.metadata.name},
        data={"number": str(number)},
    )
