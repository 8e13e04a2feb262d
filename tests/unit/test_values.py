"""Amounts as Kubernetes writes them."""

from decimal import Decimal

import pytest

from components.values import amount


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", Decimal("0.25")),
        ("2", Decimal(2)),
        ("1.5", Decimal("1.5")),
        ("1k", Decimal(1000)),
        ("1Ki", Decimal(1024)),
        ("10Gi", Decimal(10 * 2**30)),
        ("1T", Decimal(10**12)),
    ],
)
def test_an_amount_is_a_number(text: str, number: Decimal) -> None:
    assert amount(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1gi", "-1", "1e3", "1.Gi"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        amount(text)
