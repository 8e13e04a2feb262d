"""The edge, in the flavour that the settings choose."""

from pulumi import ComponentResource, Output, ResourceOptions

from components.edge import gateway, ingress, nginx
from components.edge.arguments import EdgeArgs
from components.settings import GatewayEdge, IngressEdge, NginxEdge


class Edge(ComponentResource):
    """The way in."""

    url: Output[str]

    def __init__(self, name: str, args: EdgeArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:edge:Edge", name, None, opts)
        child = ResourceOptions(parent=self)
        match args.settings:
            case NginxEdge() as chosen:
                nginx.build(args, chosen, child)
            case GatewayEdge() as chosen:
                gateway.build(args, chosen, child)
            case IngressEdge() as chosen:
                ingress.build(args, chosen, child)
        self.url = Output.from_input(args.settings.url)
        self.register_outputs({"url": self.url})
