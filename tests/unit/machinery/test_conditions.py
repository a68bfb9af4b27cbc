"""Conditions after kstatus, so that kubectl wait, Argo CD and Flux understand them."""

from datetime import UTC, datetime

from modelops.machinery import conditions

THEN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_the_time_is_that_of_the_change() -> None:
    """A reason or a message that changes is no transition: only the status is."""
    before = conditions.merge([], conditions.ready("One", "1"), 1, THEN)
    same = conditions.merge(before, conditions.ready("Two", "2"), 2, NOW)
    other = conditions.merge(before, conditions.stalled("Three", "3"), 2, NOW)
    assert same[0].last_transition_time == "2026-03-01T00:00:00Z"
    assert (same[0].reason, same[0].observed_generation) == ("Two", 2)
    assert other[0].last_transition_time == "2026-03-02T00:00:00Z"


def test_abnormal_conditions_go_when_they_are_over() -> None:
    """Kstatus takes a Stalled or Reconciling that is left standing for a failure."""
    before = conditions.merge([], conditions.stalled("Bad", "x"), 1, THEN)
    after = conditions.merge(before, conditions.ready("Good", "y"), 1, NOW)
    assert [one.type for one in after] == ["Ready"]


def test_ready_is_always_there() -> None:
    """`kubectl wait --for=condition=Ready` must have something to wait for, in every state."""
    for made in (conditions.ready, conditions.in_progress, conditions.waiting, conditions.stalled):
        assert made("R", "m")[0].type == "Ready"


def test_a_message_without_end_is_cut() -> None:
    """A status that is too large to be written would show nothing at all."""
    (made,) = conditions.merge([], conditions.ready("R", "x" * 100_000), 1, NOW)
    assert len(made.message) == 8192


def test_times_can_be_read_back() -> None:
    """What the plan compares with the clock is what it wrote."""
    assert conditions.parse_timestamp(conditions.format_timestamp(NOW)) == NOW
