"""Cloud KMS keys: one for each use, so that whoever may decrypt one thing can't decrypt another.

Every key gets a new version by itself after some days; what was encrypted stays readable with the old ones. A version
that somebody destroys can be had back for thirty days. A key ring and its keys can never be deleted, so the ring has a
name of its own each time it is made: a stack that goes and comes again doesn't find it taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_gcp import kms

_DAY = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class KeysArgs:
    """What the keys need.

    users: use of a key -> the one account that may encrypt and decrypt with it, as IAM names it.
    rotation_days: after which a key gets a new version. protect: whether they may be removed from the program.
    after: what must be there before. labels: for the bill.
    """

    region: str
    users: Mapping[str, Input[str]]
    rotation_days: int
    protect: bool
    after: Sequence[Resource]
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key. usable: what must be there before its user can use it."""

    id: Output[str]
    usable: Sequence[Resource]


class Keys(ComponentResource):
    """A key for each use."""

    keys: Mapping[str, Key]

    def __init__(self, name: str, args: KeysArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Keys", name, None, opts)
        ring = kms.KeyRing(
            "keys",
            location=args.region,
            opts=ResourceOptions(parent=self, depends_on=args.after, protect=args.protect),
        )
        keys: dict[str, Key] = {}
        for use, user in args.users.items():
            key = kms.CryptoKey(
                use,
                name=use,
                key_ring=ring.id,
                purpose="ENCRYPT_DECRYPT",
                rotation_period=f"{args.rotation_days * _DAY}s",
                destroy_scheduled_duration=f"{30 * _DAY}s",
                labels=args.labels,
                # Without it, what is encrypted is lost: it goes from the program only by a change of settings.
                opts=ResourceOptions(parent=self, protect=args.protect),
            )
            grant = kms.CryptoKeyIAMMember(
                use,
                crypto_key_id=key.id,
                role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
                member=user,
                opts=ResourceOptions(parent=self, depends_on=args.after),
            )
            keys[use] = Key(id=key.id, usable=[grant])
        self.keys = keys
        self.register_outputs({use: key.id for use, key in keys.items()})
