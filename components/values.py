"""The small types that settings are made of: names, amounts, sizes.

Amounts are written as Kubernetes writes them ("250m", "1Gi"), and can be added up, so that a quota is compared with
what the workloads ask for.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
}


def amount(quantity: str) -> Decimal:
    """The number behind a Kubernetes quantity: "250m" is 0.25, "1Ki" is 1024."""
    match = _AMOUNT.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not an amount; write it as Kubernetes does: 250m, 2, 512Mi, 10Gi")
    return Decimal(match[1]) * _FACTORS[match[2]]


def _positive(quantity: str) -> str:
    if amount(quantity) <= 0:
        raise ValueError("must be more than nothing")
    return quantity


def _bytes(quantity: str) -> str:
    if amount(quantity) < 2**20:
        raise ValueError(f"{quantity!r} is less than a mebibyte; add the unit (Mi, Gi)")
    return quantity


def _plain_number(value: Any) -> Any:
    """YAML reads `cpu: 2` as a number; Kubernetes takes both."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Cpu = Annotated[str, BeforeValidator(_plain_number), AfterValidator(_positive)]
Size = Annotated[str, AfterValidator(_bytes)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")]
NodePort = Annotated[int, Field(ge=30000, le=32767)]


class Strict(BaseModel):
    """A model that takes nothing it does not know, guesses no types and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Resources(Strict):
    """What a container may use.

    cpu: cores that are kept for it.
    cpu_limit: cores it may take when the node has some to spare.
    memory: what is kept for it, and its limit too, so that a busy neighbour can't have it killed.
    """

    cpu: Cpu
    cpu_limit: Cpu
    memory: Size
