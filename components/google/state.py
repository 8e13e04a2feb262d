"""Where a stack's state is kept: a bucket, a key that encrypts it, and a key that encrypts the secrets within.

It comes before the stack, so a program of its own makes it (`bootstrap/state/`), with the pipeline's accounts and the
place for its evidence. Two may write: the pipeline, and a group of people for when the pipeline can't. Every former
state is kept for a while, so that a damaged one can be taken back; there is no retention lock, because Pulumi writes
its own files anew with each update.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_gcp import kms, storage

from components.google import buckets, identity, provider
from components.google.evidence import Evidence, EvidenceArgs
from components.google.keys import Keys, KeysArgs
from components.google.pipeline import Pipeline, PipelineArgs

# Days: in which a former state can be had back, and one that was deleted.
FORMER, DELETED = 90, 30


@dataclass(frozen=True, kw_only=True)
class StateArgs:
    """Where, and who.

    number: the project's. repository, repository_id, environment: whose pipeline may write (`pipeline.py`).
    break_glass: who else may, as IAM names them (`group:…`). readers: who besides the pipeline's other accounts may
    see what an update would do, secrets included, and change nothing. auditors: who may read the evidence.
    evidence_days: that it stays. rotation_days: of the keys.
    """

    project: str
    number: int
    region: str
    repository: str
    repository_id: int
    environment: str
    break_glass: str
    readers: Sequence[str]
    auditors: Sequence[str]
    evidence_days: int
    rotation_days: int


class State(ComponentResource):
    """The place.

    backend: what `pulumi login` takes. secrets_provider: what `pulumi stack init --secrets-provider` takes.
    pipeline: what the workflows are told. evidence: what `operations.audit record` takes.
    """

    backend: Output[str]
    secrets_provider: Output[str]
    pipeline: Pipeline
    evidence: Evidence

    def __init__(self, name: str, args: StateArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:State", name, None, opts)
        google = provider.of_project(args.project, args.region, self)
        inside = ResourceOptions(parent=self, providers=[google])
        labels = {"part-of": "vision-week", "component": "state"}
        storing = identity.of_storage(args.number)
        self.pipeline = Pipeline(
            "pipeline",
            PipelineArgs(
                project=args.project,
                repository=args.repository,
                repository_id=args.repository_id,
                environment=args.environment,
            ),
            opts=inside,
        )
        keys = Keys(
            "keys",
            KeysArgs(
                region=args.region,
                users={"state": storing, "evidence": storing, "secrets": self.pipeline.changes},
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
            protect=True,
            opts=ResourceOptions(parent=self, providers=[google]),
        )
        readers: list[tuple[str, Input[str]]] = [
            ("preview", self.pipeline.previews),
            ("nightly", self.pipeline.looks),
            *((f"reader-{number}", reader) for number, reader in enumerate(args.readers)),
        ]
        rights: list[tuple[str, Input[str], str]] = [
            ("pipeline", self.pipeline.changes, "objectUser"),
            ("break-glass", args.break_glass, "objectUser"),
            *((who, reader, "objectViewer") for who, reader in readers),
        ]
        for who, member, role in rights:
            storage.BucketIAMMember(who, bucket=bucket.name, role=f"roles/storage.{role}", member=member, opts=inside)
        secrets: list[tuple[str, Input[str], str]] = [
            ("break-glass", args.break_glass, "cryptoKeyEncrypterDecrypter"),
            *((who, reader, "cryptoKeyDecrypter") for who, reader in readers),
        ]
        for who, member, role in secrets:
            kms.CryptoKeyIAMMember(
                f"secrets-{who}",
                crypto_key_id=keys["secrets"].id,
                role=f"roles/cloudkms.{role}",
                member=member,
                opts=inside,
            )
        self.evidence = Evidence(
            "evidence",
            EvidenceArgs(
                project=args.project,
                region=args.region,
                days=args.evidence_days,
                signs=self.pipeline.changes,
                reads=args.auditors,
                key=keys["evidence"],
                labels=labels,
            ),
            opts=inside,
        )
        self.backend = Output.concat("gs://", bucket.name)
        self.secrets_provider = Output.concat("gcpkms://", keys["secrets"].id)
        self.register_outputs({"backend": self.backend, "secrets_provider": self.secrets_provider})
