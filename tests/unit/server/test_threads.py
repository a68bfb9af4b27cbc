"""Numeric libraries start as many threads as the container may use processors, not as many as the node has."""

import os

import pytest

from modelops.server import threads


@pytest.mark.parametrize(
    ("quota", "processors"),
    [
        ("max 100000", None),
        ("-1 100000", None),
        ("", None),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("250000 100000", 3),
    ],
)
def test_a_quota_is_rounded_up_to_whole_processors(quota: str, processors: int | None) -> None:
    assert threads.quota_processors(quota) == processors


def test_at_least_one_processor_is_available() -> None:
    assert 1 <= threads.available_processors() <= (os.cpu_count() or 1)


def test_variables_set_by_the_user_are_kept() -> None:
    environment = {"OMP_NUM_THREADS": "7"}
    threads.limit(environment)
    assert environment == {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": str(threads.available_processors())}
