"""What Envoy counted, read from pages that a real Envoy has written: 53 requests of the model, of which three ended
with a 500 and three took 80 ms, and 23 of a candidate, of which one ended with a 503 and two with a 429. Seven of the
model's were answered instead of the candidate, which had gone.
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


def test_what_a_real_envoy_counted() -> None:
    model = counters(read("envoy-figures.json"), "model")
    assert (model.requests, model.errors, model.timed) == (53, 3, 53)
    assert model.quantile(0.5) == pytest.approx(0.5 * 26.5 / 28)
    assert model.quantile(0.99) == pytest.approx(75 + 25 * (0.99 * 53 - 50) / 3)


def test_what_others_answered_is_not_the_candidates() -> None:
    """A candidate whose Pods are gone has neither passed nor failed: its cluster has counted seven more, and that they
    were all answered well.
    """
    seen = read("envoy-figures.json")
    candidate = counters(seen, "candidate")
    assert (candidate.requests, candidate.errors, candidate.timed) == (23, 3, 23)
    everything = {one["name"]: one["value"] for one in seen["stats"] if "name" in one}
    assert everything["cluster.candidate.upstream_rq_completed"] == 30


def test_who_turns_a_client_away_has_failed_it() -> None:
    """The stable version's own proxy counts an overflow as a 5xx; a candidate's comes as an answer with 429."""
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


def test_an_envoy_that_has_just_started_has_counted_nothing() -> None:
    assert counters(read("envoy-figures-fresh.json"), "model") == Counters()
    assert Counters().error_rate is None
    assert Counters().quantile(0.99) is None


def test_grpc_counts_too() -> None:
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
def test_what_no_envoy_writes_is_refused(content: bytes) -> None:
    """Whoever answers at a Pod's address: nothing of it is taken for figures."""
    with pytest.raises(UnreadableStatsError):
        counters(parse_json(content), "model")


def test_the_routes_that_a_real_envoy_has_taken() -> None:
    assert applied_routes(read("envoy-routes-dump.json")) == "weights-0123abcd"


@pytest.mark.parametrize("dump", [{}, {"configs": []}, {"configs": [{}]}])
def test_no_routes_yet(dump: Any) -> None:
    assert applied_routes(dump) is None


@pytest.mark.parametrize("dump", [[], None, {"configs": 1}, {"configs": [{"route_config": {"virtual_hosts": [{}]}}]}])
def test_what_is_no_dump_of_routes_is_refused(dump: Any) -> None:
    with pytest.raises(UnreadableStatsError):
        applied_routes(dump)


def test_what_took_longer_than_the_last_edge_is_answered_by_it() -> None:
    assert Counters(100, 0, ((10.0, 1),)).quantile(0.99) == pytest.approx(9.9)
    assert Counters(1, 0, ((10.0, 0), (20.0, 1))).quantile(0.999999) == pytest.approx(20, abs=0.01)


@given(counted, st.lists(st.floats(0.001, 0.999), min_size=2, max_size=2))
def test_a_greater_share_never_takes_less(some: Counters, shares: list[float]) -> None:
    less, more = (some.quantile(share) for share in sorted(shares))
    if some.timed:
        assert less is not None
        assert more is not None
        assert 0 <= less <= more <= EDGES[-1]
    else:
        assert less is more is None


@given(counted, counted)
def test_what_came_after_is_what_was_added(before: Counters, later: Counters) -> None:
    assert (before + later).since(before) == later


@given(counted, counted)
def test_a_counter_that_went_back_counts_from_nothing(one: Counters, other: Counters) -> None:
    """No difference is ever negative: a Pod that has begun anew adds what it counted since."""
    after = one.since(other)
    counts = [count for _, count in after.buckets]
    assert after.requests >= 0
    assert after.errors >= 0
    assert counts == sorted(counts)
    assert min(counts) >= 0


@given(counted, counted)
def test_adding_has_no_order(one: Counters, other: Counters) -> None:
    assert one + other == other + one
    assert one + Counters() == one


def test_other_edges_add_up_to_what_is_certain() -> None:
    """Two releases of the proxy may have other buckets; a request is never counted as faster than it was."""
    both = Counters(4, 0, ((1.0, 1), (4.0, 4))) + Counters(3, 0, ((2.0, 2), (4.0, 3)))
    assert both.buckets == ((1.0, 1), (2.0, 3), (4.0, 7))


def test_a_histogram_may_come_later_than_its_requests() -> None:
    """Envoy shows a histogram only from its first flush on."""
    before, after = Counters(5), Counters(9, 0, ((1.0, 9),))
    assert after.since(before) == Counters(4, 0, ((1.0, 9),))


def test_pages_are_small() -> None:
    """So that a real page never reaches the limit of what is read of one."""
    assert len(json.dumps(read("envoy-figures.json"))) < 1 << 14
