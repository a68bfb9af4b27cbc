"""Statistics and routes of Envoy, parsed from pages that a real Envoy has written.

They have 53 requests to the model, of which three ended with a 500 and three took 80 ms, and 23 to a candidate, of
which one ended with a 503 and two with a 429. The model answered seven more in place of the candidate, whose Pods were
gone.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.analysis.envoy_stats import (
    Counters,
    UnreadableStatsError,
    applied_routes,
    counters,
    in_flight,
    parse_json,
)
from support.checkout import TEST_DATA

EDGES = (1.0, 2.0, 5.0, 10.0)


def buckets(per_bucket: list[int]) -> tuple[tuple[float, int], ...]:
    return tuple((edge, sum(per_bucket[: index + 1])) for index, edge in enumerate(EDGES))


counted = st.builds(
    lambda requests, errors, per_bucket: Counters(requests + errors, errors, buckets(per_bucket)),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.lists(st.integers(0, 100), min_size=4, max_size=4),
)


def read(name: str) -> Any:
    return parse_json((TEST_DATA / name).read_bytes())


def test_the_counters_of_a_real_envoy() -> None:
    model = counters(read("envoy-figures.json"), "model")
    assert (model.requests, model.errors, model.timed) == (53, 3, 53)
    assert model.quantile(0.5) == pytest.approx(0.5 * 26.5 / 28)
    assert model.quantile(0.99) == pytest.approx(75 + 25 * (0.99 * 53 - 50) / 3)


def test_requests_that_fell_back_to_the_model_do_not_count_for_the_candidate() -> None:
    """A candidate without Pods must not pass: the model answered the seven more that its cluster counted."""
    stats = read("envoy-figures.json")
    candidate = counters(stats, "candidate")
    assert (candidate.requests, candidate.errors, candidate.timed) == (23, 3, 23)
    values = {stat["name"]: stat["value"] for stat in stats["stats"] if "name" in stat}
    assert values["cluster.candidate.upstream_rq_completed"] == 30


def test_a_429_is_an_error() -> None:
    """A stable Pod's own proxy counts an overflow as a 5xx; that of a candidate arrives as a response with 429."""
    stats = [
        {"name": "cluster.candidate.canary.upstream_rq_completed", "value": 9},
        {"name": "cluster.candidate.canary.upstream_rq_5xx", "value": 2},
        {"name": "cluster.candidate.canary.upstream_rq_4xx", "value": 4},
        {"name": "cluster.candidate.canary.upstream_rq_429", "value": 3},
        {"name": "cluster.model.upstream_rq_completed", "value": 9},
        {"name": "cluster.model.upstream_rq_429", "value": 1},
    ]
    assert counters({"stats": stats}, "candidate") == Counters(9, 5)
    assert counters({"stats": stats}, "model") == Counters(9, 1)


def test_an_envoy_that_has_just_started_has_no_counters() -> None:
    assert counters(read("envoy-figures-fresh.json"), "model") == Counters()
    assert Counters().error_rate is None
    assert Counters().quantile(0.99) is None


def test_requests_over_grpc_count() -> None:
    stats = [
        {"name": "cluster.model.upstream_rq_completed", "value": 3},
        {"name": "cluster.model_grpc.upstream_rq_completed", "value": 4},
        {"name": "cluster.model_grpc.upstream_rq_5xx", "value": 1},
        {"name": "cluster.model_probe.upstream_rq_completed", "value": 99},
        {"name": "cluster.model.upstream_rq_active", "value": 2},
        {"name": "cluster.model_grpc.upstream_rq_active", "value": 5},
    ]
    assert counters({"stats": stats}, "model") == Counters(7, 1)
    assert in_flight({"stats": stats}, "model") == 7
    assert in_flight({"stats": stats}, "candidate") == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        b"null",
        b"[]",
        b'{"stats": {}}',
        b'{"stats": [1]}',
        b'{"stats": [{"name": "cluster.model.upstream_rq_completed", "value": -1}]}',
        b'{"stats": [{"name": "cluster.model.upstream_rq_completed", "value": "1"}]}',
        b'{"stats": [{"name": "cluster.model.upstream_rq_completed"}]}',
        b'{"stats": [{"histograms": 1}]}',
        b'{"stats": [{"histograms": [{"name": "cluster.model.upstream_rq_time"}]}]}',
        b'{"stats": [{"histograms": [{"name": "cluster.model.upstream_rq_time", "buckets": ['
        b'{"upper_bound": NaN, "cumulative": 1}]}]}]}',
        b'{"stats": [{"histograms": [{"name": "cluster.model.upstream_rq_time", "buckets": ['
        b'{"upper_bound": 1, "cumulative": 2}, {"upper_bound": 2, "cumulative": 1}]}]}]}',
    ],
)
def test_a_page_that_envoy_does_not_write_is_rejected(content: bytes) -> None:
    """Any program may listen at a Pod's address."""
    with pytest.raises(UnreadableStatsError):
        counters(parse_json(content), "model")


def test_the_name_of_the_routes_that_a_real_envoy_applies() -> None:
    assert applied_routes(read("envoy-routes-dump.json")) == "weights-0123abcd"


@pytest.mark.parametrize("dump", [{}, {"configs": []}, {"configs": [{}]}])
def test_an_envoy_without_routes_applies_none(dump: Any) -> None:
    assert applied_routes(dump) is None


@pytest.mark.parametrize("dump", [[], None, {"configs": 1}, {"configs": ["weights-0123abcd"]}])
def test_a_page_that_is_not_a_dump_of_routes_is_rejected(dump: Any) -> None:
    with pytest.raises(UnreadableStatsError):
        applied_routes(dump)


def test_the_last_edge_is_the_greatest_quantile() -> None:
    assert Counters(100, 0, ((10.0, 1),)).quantile(0.99) == pytest.approx(9.9)
    assert Counters(1, 0, ((10.0, 0), (20.0, 1))).quantile(0.999999) == pytest.approx(20, abs=0.01)


@given(counted, st.lists(st.floats(0.001, 0.999), min_size=2, max_size=2))
def test_a_greater_quantile_is_never_faster(counters: Counters, shares: list[float]) -> None:
    less, more = (counters.quantile(share) for share in sorted(shares))
    if counters.timed:
        assert less is not None
        assert more is not None
        assert 0 <= less <= more <= EDGES[-1]
    else:
        assert less is more is None


@given(counted, counted)
def test_counters_since_an_earlier_reading_are_those_added(before: Counters, later: Counters) -> None:
    assert (before + later).since(before) == later


@given(counted, counted)
def test_a_difference_is_never_negative(now: Counters, before: Counters) -> None:
    """A proxy that restarted adds all that it has counted since."""
    after = now.since(before)
    counts = [count for _, count in after.buckets]
    assert after.requests >= 0
    assert after.errors >= 0
    assert counts == sorted(counts)
    assert min(counts) >= 0


@given(counted, counted)
def test_the_order_of_adding_does_not_matter(first: Counters, second: Counters) -> None:
    assert first + second == second + first
    assert first + Counters() == first


def test_buckets_with_other_edges_are_summed_by_what_is_certain() -> None:
    """Two releases of the proxy may have different buckets; no request counts as faster than it was."""
    both = Counters(4, 0, ((1.0, 1), (4.0, 4))) + Counters(3, 0, ((2.0, 2), (4.0, 3)))
    assert both.buckets == ((1.0, 1), (2.0, 3), (4.0, 7))


def test_a_histogram_may_appear_after_its_requests() -> None:
    """Envoy shows a histogram only after its first flush."""
    before, after = Counters(5), Counters(9, 0, ((1.0, 9),))
    assert after.since(before) == Counters(4, 0, ((1.0, 9),))


def test_a_real_page_is_far_below_the_limit() -> None:
    assert len(json.dumps(read("envoy-figures.json"))) < 1 << 14
