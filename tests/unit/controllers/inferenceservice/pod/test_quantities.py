"""Quantities as the API server writes them back, and as whole numbers."""

import pytest

from modelops.controllers.inferenceservice.pod.quantities import canonical, to_integer


@pytest.mark.parametrize(
    ("quantity", "stored"),
    [
        (1, "1"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        ("1500", "1500"),
        ("2000", "2k"),
        ("1024Mi", "1Gi"),
        ("1000Mi", "1000Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1e3", "1e3"),
        ("5e2", "500"),
        ("128974848", "128974848"),
        ("0", "0"),
        ("0Gi", "0"),
        ("100M", "100M"),
        ("0.1m", "100u"),
        ("much", "much"),
        ("1e999999999", "1e999999999"),
    ],
)
def test_canonical_quantities(quantity: str | int, stored: str) -> None:
    """A quantity that differs from the stored one would be applied in every reconcile."""
    assert canonical(quantity) == stored


@pytest.mark.parametrize(
    ("quantity", "number"),
    [(7, 7), ("1Ki", 1024), ("1.5Ki", 1536), ("64Mi", 64 << 20), ("1k", 1000), ("1e3", 1000), ("100m", 1), ("0", 0)],
)
def test_a_quantity_is_rounded_up_to_a_whole_number(quantity: str | int, number: int) -> None:
    assert to_integer(quantity) == number


def test_other_text_has_no_number() -> None:
    with pytest.raises(ValueError, match="'much' is not a quantity"):
        to_integer("much")
