"""Where Google keeps what the stack's pods write, and who may bring it there.

The collectors alone may, as themselves, and may do nothing else: write lines and spans, and use the project's APIs for
it. Lines go to a bucket of logs of the stack's own, in its region and for as long as the settings say, and are kept out
of the project's first bucket, `_Default`, which is in no region of anybody's choosing. Where traces are is Google's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Output, Resource, ResourceOptions
from pulumi_gcp import logging, projects

from components.google import identity

# Of the Telemetry API, which takes in both ("Migrate collector to use OTLP exporters").
_LINES, _SPANS, _CALLS = "telemetry.logsWriter", "telemetry.tracesWriter", "serviceusage.serviceUsageConsumer"


@dataclass(frozen=True, kw_only=True)
class TelemetryArgs:
    """What it needs.

    number: the project's. prefix: of namespaces. writer: the collectors' identity, `ns/NAMESPACE/sa/ACCOUNT`.
    traced: they bring spans, too. days: that lines are kept. identities: without which Google knows no such accounts.
    after: what must be there before.
    """

    project: str
    number: int
    prefix: str
    region: str
    writer: str
    traced: bool
    days: int
    identities: Sequence[Resource]
    after: Sequence[Resource]


class Telemetry(ComponentResource):
    """The bucket of logs. bucket: as Google's other APIs name it."""

    bucket: Output[str]

    def __init__(self, name: str, args: TelemetryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Telemetry", name, None, opts)
        member = identity.of_pods(args.project, args.number, args.writer)
        for role in (_LINES, *([_SPANS] if args.traced else []), _CALLS):
            projects.IAMMember(
                f"collector-{role.rpartition('.')[2].lower()}",
                project=args.project,
                role=f"roles/{role}",
                member=member,
                opts=ResourceOptions(parent=self, depends_on=args.identities),
            )
        bucket = logging.ProjectBucketConfig(
            "logs",
            project=args.project,
            location=args.region,
            bucket_id=f"{args.prefix}-logs",
            retention_days=args.days,
            opts=ResourceOptions(parent=self, depends_on=args.after),
        )
        ours = f'resource.type="k8s_container" AND resource.labels.namespace_name:"{args.prefix}-"'
        # Into a bucket of the same project nobody needs a right.
        sink = logging.ProjectSink(
            "logs",
            project=args.project,
            name=f"{args.prefix}-logs",
            destination=Output.format("logging.googleapis.com/{0}", bucket.id),
            filter=ours,
            opts=ResourceOptions(parent=self),
        )
        logging.ProjectExclusion(
            "logs",
            project=args.project,
            name=f"{args.prefix}-logs",
            description="They are in a bucket of their own",
            filter=ours,
            # Never in neither.
            opts=ResourceOptions(parent=self, depends_on=[sink]),
        )
        self.bucket = bucket.id
        self.register_outputs({"bucket": self.bucket})
