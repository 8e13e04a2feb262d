"""Quantities: `0.5` and `500m` of a processor are the same, and no change.

The API server rewrites them, and so does the official provider before it compares. `1Gi` and `1073741824` are written
in two families of suffixes, which neither of them mixes: that is a change.
"""

import re
from decimal import Decimal
from typing import Any, Final

_FORM: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

# Fields that hold one quantity, and those that hold a mapping of them.
_ONE: Final = frozenset({"averageValue", "divisor", "maximumVolumeSize", "sizeLimit"})
_MANY: Final = frozenset(
    {
        "allocatable",
        "capacity",
        "default",
        "defaultRequest",
        "hard",
        "limits",
        "max",
        "maxLimitRequestRatio",
        "min",
        "overhead",
        "requests",
    }
)


def same_quantity(path: tuple[str | int, ...], old: Any, new: Any) -> bool:
    """Whether the values at a path are quantities, and equal."""
    place = path[-1] in _ONE or (path[-2:-1] and path[-2] in _MANY) or path[-2:] == ("target", "value")
    if not place or isinstance(old, bool) or isinstance(new, bool):
        return False
    before = _read(old)
    return before is not None and before == _read(new)


def _read(value: Any) -> tuple[str, Decimal] | None:
    found = _FORM.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if found is None:
        return None
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return "binary", number * 2 ** _BINARY[suffix]
    if suffix in _DECIMAL:
        return "decimal", number.scaleb(_DECIMAL[suffix])
    return "exponent", number.scaleb(int(suffix[1:]))
