"""Quantities as the API server writes them back."""

import pytest

from modelops.controllers.inferenceservice.pod.quantities import canonical


@pytest.mark.parametrize(
    ("written", "kept"),
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
def test_canonical_quantities(written: str | int, kept: str) -> None:
    """A quantity that differs from what the API server keeps would be applied at every look."""
    assert canonical(written) == kept
