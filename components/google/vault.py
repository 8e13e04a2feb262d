"""A secret put away apart from the state, in Secret Manager: who loses the one still has the other (DECISIONS: backup
key).

Nobody is let to it here. Who has to have it back is somebody whom the project's own rights let do so, and Google writes
down that it was read (`evidence.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Resource, ResourceOptions
from pulumi_gcp import secretmanager

from components.google.keys import Key


@dataclass(frozen=True, kw_only=True)
class VaultArgs:
    """secret: what is kept. name: of it. key: what it is encrypted with. protect: whether it can be removed."""

    name: str
    secret: Input[str]
    region: str
    key: Key
    protect: bool
    after: Sequence[Resource]
    labels: Mapping[str, str]


class Vault(ComponentResource):
    """One secret."""

    def __init__(self, name: str, args: VaultArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Vault", name, None, opts)
        encrypted = secretmanager.SecretReplicationUserManagedReplicaCustomerManagedEncryptionArgs(
            kms_key_name=args.key.id
        )
        secret = secretmanager.Secret(
            args.name,
            secret_id=args.name,
            replication=secretmanager.SecretReplicationArgs(
                user_managed=secretmanager.SecretReplicationUserManagedArgs(
                    replicas=[
                        secretmanager.SecretReplicationUserManagedReplicaArgs(
                            location=args.region, customer_managed_encryption=encrypted
                        )
                    ]
                )
            ),
            labels=args.labels,
            opts=ResourceOptions(parent=self, protect=args.protect, depends_on=[*args.after, *args.key.usable]),
        )
        secretmanager.SecretVersion(
            args.name,
            secret=secret.id,
            secret_data=args.secret,
            opts=ResourceOptions(parent=self, protect=args.protect),
        )
        self.register_outputs({})
