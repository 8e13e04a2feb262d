"""The edge, in the flavour that the settings choose."""

from pulumi import ComponentResource, Output, ResourceOptions

from components.edge import nginx
from components.edge.arguments import EdgeArgs


class Edge(ComponentResource):
    """The way in."""

    url: Output[str]

    def __init__(self, name: str, args: EdgeArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:edge:Edge", name, None, opts)
        nginx.build(args, args.settings, ResourceOptions(parent=self))
        self.url = Output.from_input(args.settings.url)
        self.register_outputs({"url": self.url})
