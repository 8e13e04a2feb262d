"""The `random` provider: passwords, strings, bytes, ids and the like that are made once and kept in the state.

It stands in for pulumi-random 4.21.4. A change of any input, `keepers` among them, makes a new value. Import works as
there: the id is the value itself. A `seed` gives the same value each time, though not the official provider's.
"""

import base64
import binascii
import secrets
import uuid
from collections.abc import Callable, Mapping
from random import Random as Generator
from random import SystemRandom
from time import time_ns
from typing import Any, ClassVar, Final

from localcloud.plugins.kinds import Input, KindProvider, Made, Recalled, ResourceKind
from localcloud.plugins.provider import Failed
from localcloud.plugins.server import serve
from localcloud.plugins.values import Values

_DIGITS: Final = "0123456789"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_UPPER: Final = _LOWER.upper()
_SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"
_BCRYPT_COST: Final = 10
_BCRYPT_LIMIT: Final = 72  # bytes; bcrypt reads no further

_KEEPERS: Final = {"keepers": Input()}


def _at_least(least: int) -> Callable[[Any], str | None]:
    return lambda value: None if value >= least else f"{value} is less than {least}, the smallest that is allowed"


_STRING_INPUTS: Final[Mapping[str, Input]] = {
    **_KEEPERS,
    "length": Input(required=True, check=_at_least(1)),
    "lower": Input(default=True),
    "minLower": Input(default=0, check=_at_least(0)),
    "minNumeric": Input(default=0, check=_at_least(0)),
    "minSpecial": Input(default=0, check=_at_least(0)),
    "minUpper": Input(default=0, check=_at_least(0)),
    "number": Input(default=True),
    "numeric": Input(default=True),
    "overrideSpecial": Input(),
    "special": Input(default=True),
    "upper": Input(default=True),
}
# `number` is the old name of `numeric`: who gives one gives both.
_STRING_MIRRORS: Final = {"number": "numeric", "numeric": "number"}


def _check_string(inputs: Values) -> list[tuple[str, str]]:
    least = sum(inputs[name] for name in ("minLower", "minNumeric", "minSpecial", "minUpper"))
    if inputs["length"] < least:
        return [("length", f"{inputs['length']} is less than minUpper + minLower + minNumeric + minSpecial ({least})")]
    if not any(inputs[name] for name in ("lower", "numeric", "special", "upper")):
        return [("special", "at least one of special, upper, lower and numeric must be true")]
    return []


def _text(inputs: Values) -> str:
    """A string with at least so many of each class, in an order that tells nothing."""
    special = inputs.get("overrideSpecial") or _SPECIAL
    classes = (
        (_UPPER, inputs["upper"], inputs["minUpper"]),
        (_LOWER, inputs["lower"], inputs["minLower"]),
        (_DIGITS, inputs["numeric"], inputs["minNumeric"]),
        (special, inputs["special"], inputs["minSpecial"]),
    )
    letters = [secrets.choice(characters) for characters, _, least in classes for _ in range(least)]
    allowed = "".join(characters for characters, wanted, _ in classes if wanted)
    letters += [secrets.choice(allowed) for _ in range(inputs["length"] - len(letters))]
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)


def _bcrypt(text: str) -> str:
    import bcrypt  # noqa: PLC0415  only where a password is made

    return bcrypt.hashpw(text.encode()[:_BCRYPT_LIMIT], bcrypt.gensalt(_BCRYPT_COST, b"2a")).decode()


def _password(inputs: Values) -> Made:
    text = _text(inputs)
    return "none", {"id": "none", "result": text, "bcryptHash": _bcrypt(text)}


def _recall_password(text: str) -> Recalled:
    return "none", {"length": len(text)}, {"id": "none", "result": text, "bcryptHash": _bcrypt(text)}


def _string(inputs: Values) -> Made:
    text = _text(inputs)
    return text, {"id": text, "result": text}


def _bytes(inputs: Values) -> Made:
    return _of_bytes(secrets.token_bytes(inputs["length"]))


def _of_bytes(content: bytes) -> Made:
    text = base64.b64encode(content).decode()
    return text, {"base64": text, "hex": content.hex()}


def _recall_bytes(text: str) -> Recalled:
    content = _decoded(text, base64.b64decode)
    made, computed = _of_bytes(content)
    return made, {"length": len(content)}, computed


def _id(inputs: Values) -> Made:
    return _of_id(secrets.token_bytes(inputs["byteLength"]), inputs.get("prefix", ""))


def _of_id(content: bytes, prefix: str) -> Made:
    url = base64.urlsafe_b64encode(content).decode().rstrip("=")
    return url, {
        "id": url,
        "b64Std": prefix + base64.b64encode(content).decode(),
        "b64Url": prefix + url,
        "dec": prefix + str(int.from_bytes(content)),
        "hex": prefix + content.hex(),
    }


def _recall_id(text: str) -> Recalled:
    prefix, _, url = text.rpartition(",")
    content = _decoded(url + "=" * (-len(url) % 4), base64.urlsafe_b64decode)
    made, computed = _of_id(content, prefix)
    return made, {"byteLength": len(content), **({"prefix": prefix} if prefix else {})}, computed


def _decoded(text: str, decode: Callable[[str], bytes]) -> bytes:
    try:
        return decode(text)
    except (binascii.Error, ValueError):
        raise Failed(f"{text!r} is no base64") from None


def _generator(inputs: Values) -> Generator:
    return Generator(inputs["seed"]) if inputs.get("seed") else SystemRandom()


def _check_range(inputs: Values) -> list[tuple[str, str]]:
    if inputs["max"] < inputs["min"]:
        return [("max", f"the minimum {inputs['min']} must not be larger than the maximum {inputs['max']}")]
    return []


def _integer(inputs: Values) -> Made:
    number = _generator(inputs).randint(inputs["min"], inputs["max"])
    return str(number), {"id": str(number), "result": number}


def _recall_integer(text: str) -> Recalled:
    try:
        result, least, most, *seed = text.split(",", 3)
        inputs: Values = {"min": int(least), "max": int(most), **({"seed": seed[0]} if seed else {})}
        return result, inputs, {"id": result, "result": int(result)}
    except ValueError:
        raise Failed("an integer is imported as result,min,max or result,min,max,seed") from None


def _shuffle(inputs: Values) -> Made:
    """As often as needed all of them, in another order each time."""
    given, generator = list(inputs.get("inputs") or ()), _generator(inputs)
    count = inputs.get("resultCount") or len(given)
    results: list[Any] = []
    while given and len(results) < count:
        results += generator.sample(given, len(given))
    return "-", {"id": "-", "results": results[:count]}


def _pet(inputs: Values) -> Made:
    from localcloud.plugins import pets  # noqa: PLC0415  hardly ever wanted

    words = pets.name(inputs["length"], inputs["separator"])
    name = f"{inputs['prefix']}{inputs['separator']}{words}" if inputs.get("prefix") else words
    return name, {"id": name}


def _uuid(_: Values) -> Made:
    return _of_uuid(uuid.uuid4())


def _uuid7(_: Values) -> Made:
    """RFC 9562: milliseconds first, so that later ones sort later."""
    number = (time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76
    return _of_uuid(uuid.UUID(int=number & ~(0b11 << 62) | 0b10 << 62))


def _of_uuid(made: uuid.UUID) -> Made:
    return str(made), {"id": str(made), "result": str(made)}


def _recall_uuid(text: str) -> Recalled:
    try:
        made, computed = _of_uuid(uuid.UUID(text))
    except ValueError:
        raise Failed(f"{text!r} is no UUID") from None
    return made, {}, computed


def _uuids(make: Callable[[Values], Made]) -> ResourceKind:
    return ResourceKind(inputs=_KEEPERS, computed={"id": False, "result": False}, make=make, recall=_recall_uuid)


class Random(KindProvider):
    """The provider."""

    name = "random"
    version = "4.21.4"
    kinds: ClassVar = {
        "random:index/randomPassword:RandomPassword": ResourceKind(
            inputs=_STRING_INPUTS,
            mirrors=_STRING_MIRRORS,
            computed={"id": False, "result": True, "bcryptHash": True},
            check=_check_string,
            make=_password,
            recall=_recall_password,
        ),
        "random:index/randomString:RandomString": ResourceKind(
            inputs=_STRING_INPUTS,
            mirrors=_STRING_MIRRORS,
            computed={"id": False, "result": False},
            check=_check_string,
            make=_string,
            recall=lambda text: (text, {"length": len(text)}, {"id": text, "result": text}),
        ),
        "random:index/randomBytes:RandomBytes": ResourceKind(
            inputs={**_KEEPERS, "length": Input(required=True, check=_at_least(1))},
            computed={"base64": True, "hex": True},
            make=_bytes,
            recall=_recall_bytes,
        ),
        "random:index/randomId:RandomId": ResourceKind(
            inputs={**_KEEPERS, "byteLength": Input(required=True, check=_at_least(1)), "prefix": Input()},
            computed={"id": False, "b64Std": False, "b64Url": False, "dec": False, "hex": False},
            make=_id,
            recall=_recall_id,
        ),
        "random:index/randomInteger:RandomInteger": ResourceKind(
            inputs={**_KEEPERS, "max": Input(required=True), "min": Input(required=True), "seed": Input()},
            computed={"id": False, "result": False},
            check=_check_range,
            make=_integer,
            recall=_recall_integer,
        ),
        "random:index/randomPet:RandomPet": ResourceKind(
            inputs={
                **_KEEPERS,
                "length": Input(default=2, check=_at_least(1)),
                "prefix": Input(),
                "separator": Input(default="-"),
            },
            computed={"id": False},
            make=_pet,
        ),
        "random:index/randomShuffle:RandomShuffle": ResourceKind(
            inputs={**_KEEPERS, "inputs": Input(required=True), "resultCount": Input(), "seed": Input()},
            computed={"id": False, "results": False},
            make=_shuffle,
        ),
        "random:index/randomUuid:RandomUuid": _uuids(_uuid),
        "random:index/randomUuid4:RandomUuid4": _uuids(_uuid),
        "random:index/randomUuid7:RandomUuid7": _uuids(_uuid7),
    }


if __name__ == "__main__":
    serve(Random())
