"""What was found, and what becomes of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GRAVE: Final = ("Critical", "High")


class Kind(StrEnum):
    VULNERABILITY = "vulnerability"
    SECRET = "secret"  # noqa: S105  the word for one


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something in an image.

    id: of the vulnerability, with its other names in `aliases`; of a secret the rule that it was found by.
    package: or the path of the file that has the secret. fixed: the versions that don't have it any more.
    """

    image: str
    kind: Kind
    id: str
    package: str
    version: str = ""
    severity: str = ""
    fixed: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def fails(self) -> bool:
        """What has no fix is told, and fails nothing: there is nothing to do but to wait."""
        return self.kind is Kind.SECRET or (self.severity in GRAVE and bool(self.fixed))
