"""Numeric libraries start as many threads as the container has processors, not as many as the node has."""

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
def test_the_share_of_a_limit(quota, processors):
    assert threads.share(quota) == processors


def test_there_is_always_one():
    assert 1 <= threads.available() <= (os.cpu_count() or 1)


def test_what_the_user_has_set_stays():
    environment = {"OMP_NUM_THREADS": "7"}
    threads.limit(environment)
    assert environment == {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": str(threads.available())}
