"""Mirrored requests and their two predictions: when the other one is fetched, how often, and from which Pods."""

from dataclasses import dataclass, field

import pytest

from modelops.monitor.capture import pairing
from modelops.monitor.capture.pairing import BATCH_SIZE, FETCH_AFTER_SECONDS, Pairing
from modelops.monitor.capture.tables import Table
from support.manual_clock import ManualClock


@dataclass
class OtherPods:
    """Stored predictions of other Pods, and the calls that fetched them."""

    stored: dict[str, Table] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)

    def __call__(self, address: str, keys: list[str]) -> dict[str, Table]:
        self.calls.append((address, len(keys)))
        if address in self.unreachable:
            raise TimeoutError
        return {key: self.stored.pop(key) for key in keys if key in self.stored}


@dataclass(frozen=True)
class Counts:
    compared: int
    agreed: int
    unpaired: int


def counts(comparisons: Pairing) -> Counts:
    return Counts(comparisons.compared, comparisons.agreed, comparisons.unpaired)


def test_predictions_are_compared_once_both_had_time_to_arrive() -> None:
    clock, pods = ManualClock(), OtherPods({"a": {"p": [1.0]}, "b": {"p": [1.0]}})
    comparisons = Pairing(pods, clock)
    comparisons.add("a", "10.0.0.1", {"p": [1.0]}, tolerance=0)
    comparisons.add("b", "10.0.0.1", {"p": [2.0]}, tolerance=0)
    comparisons.compare_due()
    assert pods.calls == []
    clock.now += FETCH_AFTER_SECONDS[0]
    comparisons.compare_due()
    comparisons.compare_due()
    assert pods.calls == [("10.0.0.1", 2)]
    assert counts(comparisons) == Counts(compared=2, agreed=1, unpaired=0)


def test_a_request_that_only_the_candidate_rejects_is_a_disagreement() -> None:
    clock = ManualClock()
    comparisons = Pairing(OtherPods({"a": {"p": [1.0]}}), clock)
    comparisons.add("a", "10.0.0.1", None, tolerance=0)
    clock.now += FETCH_AFTER_SECONDS[0]
    comparisons.compare_due()
    assert counts(comparisons) == Counts(compared=1, agreed=0, unpaired=0)


def test_a_prediction_that_is_late_is_fetched_again() -> None:
    """The stable version may be slow."""
    clock, pods = ManualClock(), OtherPods()
    comparisons = Pairing(pods, clock)
    comparisons.add("a", "10.0.0.1", {"p": [1.0]}, tolerance=0)
    clock.now += FETCH_AFTER_SECONDS[0]
    comparisons.compare_due()
    pods.stored["a"] = {"p": [1.0]}
    clock.now += FETCH_AFTER_SECONDS[1] - FETCH_AFTER_SECONDS[0]
    comparisons.compare_due()
    assert counts(comparisons) == Counts(compared=1, agreed=1, unpaired=0)


def test_a_prediction_that_never_arrives_counts_as_unpaired() -> None:
    """Such a request says nothing about the candidate: the stable version failed, or its record was dropped."""
    clock, pods = ManualClock(), OtherPods()
    comparisons = Pairing(pods, clock)
    comparisons.add("a", "10.0.0.1", {"p": [1.0]}, tolerance=0)
    for _ in range(100):
        clock.now += 1
        comparisons.compare_due()
    assert len(pods.calls) == len(FETCH_AFTER_SECONDS)
    assert counts(comparisons) == Counts(compared=0, agreed=0, unpaired=1)


def test_an_unreachable_pod_does_not_delay_comparisons_with_others() -> None:
    clock = ManualClock()
    pods = OtherPods({"z": {"p": [1.0]}}, unreachable={"10.0.0.1"})
    comparisons = Pairing(pods, clock)
    for n in range(3 * BATCH_SIZE):
        comparisons.add(f"a{n}", "10.0.0.1", {"p": [1.0]}, tolerance=0)
    comparisons.add("z", "10.0.0.2", {"p": [1.0]}, tolerance=0)
    clock.now += FETCH_AFTER_SECONDS[0]
    comparisons.compare_due()
    assert pods.calls == [("10.0.0.1", BATCH_SIZE), ("10.0.0.2", 1)]
    assert counts(comparisons) == Counts(compared=1, agreed=1, unpaired=0)


def test_pending_comparisons_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "MAX_PENDING_VALUES", 10)
    comparisons = Pairing(OtherPods(), ManualClock())
    for n in range(5):
        comparisons.add(str(n), "10.0.0.1", {"p": [1.0, 2.0, 3.0, 4.0]}, tolerance=0)
    assert counts(comparisons) == Counts(compared=0, agreed=0, unpaired=3)
