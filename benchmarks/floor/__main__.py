"""The floor that the platform's preview is measured against: ConfigMaps and components, registered by a loop."""

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace

config = pulumi.Config()
namespace = Namespace("floor", metadata={"name": "floor"})
for number in range(config.require_int("components")):
    pulumi.ComponentResource("floor:index:Component", f"component-{number}").register_outputs({})
for number in range(config.require_int("resources") - 2):  # the namespace and the provider are among them
    ConfigMap(
        f"item-{number}",
        metadata={"name": f"item-{number}", "namespace": namespace.metadata.name},
        data={"number": str(number)},
    )
