"""Where a stack's state is kept: a bucket, a key that encrypts it, and a key that encrypts the secrets within.

It comes before the stack, so a program of its own makes it (`bootstrap/state/`). Two may write: the pipeline, and a
group of people for when the pipeline can't. Every former state is kept for a while, so that a damaged one can be taken
back; there is no retention lock, because Pulumi writes its own files anew with each update.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_gcp import kms, storage

from components.google import buckets, provider
from components.google.keys import Keys, KeysArgs

# Days: in which a former state can be had back, and one that was deleted.
FORMER, DELETED = 90, 30


@dataclass(frozen=True, kw_only=True)
class StateArgs:
    """Where, and who.

    number: the project's. pipeline, break_glass: who may write, as IAM names them (`serviceAccount:…`, `group:…`).
    readers: who may see what an update would do, secrets included, and change nothing. rotation_days: of the keys.
    """

    project: str
    number: int
    region: str
    pipeline: str
    break_glass: str
    readers: Sequence[str]
    rotation_days: int


class State(ComponentResource):
    """The place.

    backend: what `pulumi login` takes. secrets_provider: what `pulumi stack init --secrets-provider` takes.
    """

    backend: Output[str]
    secrets_provider: Output[str]

    def __init__(self, name: str, args: StateArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:State", name, None, opts)
        google = provider.of_project(args.project, args.region, self)
        inside = ResourceOptions(parent=self, providers=[google])
        labels = {"part-of": "vision-week", "component": "state"}
        storing = f"serviceAccount:service-{args.number}@gs-project-accounts.iam.gserviceaccount.com"
        keys = Keys(
            "keys",
            KeysArgs(
                region=args.region,
                users={"state": storing, "secrets": args.pipeline},
                rotation_days=args.rotation_days,
                # Without them no stack of the project can be read again.
                protect=True,
                after=[],
                labels=labels,
            ),
            opts=inside,
        ).keys
        bucket = buckets.closed(
            "state",
            name=f"{args.project}-state",
            region=args.region,
            key=keys["state"],
            former=FORMER,
            deleted=DELETED,
            labels=labels,
            opts=ResourceOptions(parent=self, providers=[google], protect=True),
        )
        for who, member, role in (
            ("pipeline", args.pipeline, "objectUser"),
            ("break-glass", args.break_glass, "objectUser"),
            *((f"reader-{number}", reader, "objectViewer") for number, reader in enumerate(args.readers)),
        ):
            storage.BucketIAMMember(who, bucket=bucket.name, role=f"roles/storage.{role}", member=member, opts=inside)
        for who, member, role in (
            ("break-glass", args.break_glass, "cryptoKeyEncrypterDecrypter"),
            *((f"reader-{number}", reader, "cryptoKeyDecrypter") for number, reader in enumerate(args.readers)),
        ):
            kms.CryptoKeyIAMMember(
                f"secrets-{who}",
                crypto_key_id=keys["secrets"].id,
                role=f"roles/cloudkms.{role}",
                member=member,
                opts=inside,
            )
        self.backend = Output.concat("gs://", bucket.name)
        self.secrets_provider = Output.concat("gcpkms://", keys["secrets"].id)
        self.register_outputs({"backend": self.backend, "secrets_provider": self.secrets_provider})
