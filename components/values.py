"""The small types that settings are made of: names, amounts, sizes, times, networks.

Amounts are written as Kubernetes writes them ("250m", "1Gi"), and can be added up, so that a quota is compared with
what the workloads ask for. Whatever has a form has that form in words too: nobody is shown a regular expression.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator


class Strict(BaseModel):
    """A model that takes nothing it does not know, guesses no types and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Later:
    """Marks a setting whose consumer is not built: the program refuses a stack that gives it.

    A setting that has no effect would be a promise that nobody keeps. The mark goes when the consumer comes.
    """


LATER = Later()


class Short:
    """Marks a type that has a short form beside its own: how an editor knows of both.

    schema: JSON Schema of the short form.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [handler(core_schema), dict(self.schema)]}


class Format:
    """Marks a text that a function checks: its form, for editors and readers.

    pattern: at least as wide as the function. words: what such a text is.
    """

    def __init__(self, pattern: str, words: str) -> None:
        self.pattern = pattern
        self.words = words

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core_schema), "pattern": self.pattern}


WORDS: dict[str, str] = {}
"""Pattern -> what a text that matches it is, in words."""


def form(pattern: str, words: str) -> StringConstraints:
    """The form of a text, and the same in words."""
    WORDS[pattern] = words
    return StringConstraints(pattern=pattern)


# --- amounts

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
MEBIBYTE = 2**20


def amount(quantity: str) -> Decimal:
    """The number behind a Kubernetes quantity: "250m" is 0.25, "1Ki" is 1024."""
    match = _AMOUNT.fullmatch(quantity)
    if match is None:
        raise ValueError("is not an amount; write it as Kubernetes does: 250m, 2, 512Mi, 10Gi")
    return Decimal(match[1]) * _FACTORS[match[2]]


def mebibytes(quantity: str) -> int:
    """The whole mebibytes of a size."""
    return int(amount(quantity) // MEBIBYTE)


def _positive(quantity: str) -> str:
    if amount(quantity) <= 0:
        raise ValueError("must be more than nothing")
    return quantity


def _bytes(quantity: str) -> str:
    if amount(quantity) < MEBIBYTE:
        raise ValueError("is less than a mebibyte; add the unit (Mi, Gi)")
    return quantity


def _plain_number(value: Any) -> Any:
    """YAML reads `cpu: 2` as a number; Kubernetes takes both."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_QUANTITY = r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
Cpu = Annotated[
    str,
    BeforeValidator(_plain_number),
    AfterValidator(_positive),
    Format(_QUANTITY, "cores: 250m, 2"),
    Short({"type": "number", "exclusiveMinimum": 0}),
]
Size = Annotated[str, AfterValidator(_bytes), Format(_QUANTITY, "a size, 1Mi or more: 512Mi, 10Gi")]


# --- texts with a form

Name = Annotated[
    str,
    form(r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$", "a name of lower-case letters, digits and dashes, 40 at most"),
]
Text = Annotated[str, StringConstraints(min_length=1)]
TimeOfDay = Annotated[str, form(r"^([01]\d|2[0-3]):[0-5]\d$", 'a time of day in UTC, in quotes: "02:00"')]
Date = Annotated[str, form(r"^20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$", 'a day, in quotes: "2027-01-31"')]
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
Host = Annotated[str, form(rf"^{_LABEL}(\.{_LABEL})+$", "a host name in lower case, like vision-week.example")]
_OCTET = r"(25[0-5]|2[0-4]\d|1?\d?\d)"
AddressAndPort = Annotated[
    str,
    form(rf"^{_OCTET}(\.{_OCTET}){{3}}:[1-9]\d{{0,4}}$", "an IPv4 address and a port, like 192.0.2.7:9003"),
]
HostPattern = Annotated[
    str,
    form(
        rf"^(\*\.)?{_LABEL}(\.{_LABEL})+$", "a host name, or one with * for its first part, like *.vision-week.example"
    ),
]
Url = Annotated[
    str,
    form(
        rf"^https://{_LABEL}(\.{_LABEL})*(:[1-9]\d{{0,4}})?$",
        "https://, a host in lower case and perhaps a port, without a path: https://vision-week.example",
    ),
]
WebHook = Annotated[
    str, form(r"^https://[^\s/@]+(/\S*)?$", "an address that begins with https://, without a user in it")
]
Project = Annotated[
    str,
    form(
        r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$",
        "a Google Cloud project's id: 6 to 30 lower-case letters, digits and dashes, a letter first",
    ),
]
Bucket = Annotated[str, form(r"^[a-z0-9][-_.a-z0-9]{1,61}[a-z0-9]$", "a bucket's name")]
"""Of Google Cloud Storage, 3 to 63 characters."""
Region = Annotated[str, form(r"^[a-z]+-[a-z]+\d{1,2}$", "a Google Cloud region, like europe-west1")]


# --- numbers

Percent = Annotated[int, Field(ge=1, le=100)]
Members = Literal[1, 3, 5]
NodePort = Annotated[int, Field(ge=30000, le=32767)]


# --- networks


def _network(value: Any) -> Any:
    """Without this the number 10 would be the network 0.0.0.10/32."""
    if not isinstance(value, str):
        raise ValueError("must be a network in text, like 10.0.0.0/20")
    try:
        return IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"is not a network: {error}; write it like 10.0.0.0/20") from None


Network = Annotated[
    IPv4Network,
    BeforeValidator(_network),
    Field(strict=False),
    Format(r"^\d{1,3}(\.\d{1,3}){3}(/\d{1,2})?$", "a network: 10.0.0.0/20"),
]


def _address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError("is not an address; write it like 203.0.113.10") from None


Address = Annotated[str, AfterValidator(_address), Format(r"^\d{1,3}(\.\d{1,3}){3}$", "an IPv4 address: 203.0.113.10")]
Networks = Annotated[tuple[Network, ...], Field(strict=False)]  # a short form before it makes it Python's list


class Resources(Strict):
    """What a container may use."""

    cpu: Cpu
    """Cores that are kept for it, more than 0 (S5.1)."""
    cpu_limit: Cpu
    """Cores that it may take when the node has some to spare; at least `cpu` (S7 beyond: limits)."""
    memory: Size
    """Kept for it, and its limit too, so that a busy neighbour can't have it killed; at least 1Mi (S7 beyond:
    limits)."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if amount(self.cpu_limit) < amount(self.cpu):
            raise ValueError(f"cpu_limit ({self.cpu_limit}) is less than cpu ({self.cpu}); Kubernetes refuses that")
        return self
