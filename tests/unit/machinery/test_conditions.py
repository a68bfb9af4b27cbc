"""Conditions follow kstatus, so that kubectl wait, Argo CD and Flux understand them."""

from datetime import UTC, datetime

from modelops.machinery import conditions

THEN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_the_transition_time_changes_only_with_the_status() -> None:
    """Another reason or message is not a transition."""
    before = conditions.merge([], conditions.ready("One", "1"), 1, THEN)
    same = conditions.merge(before, conditions.ready("Two", "2"), 2, NOW)
    other = conditions.merge(before, conditions.stalled("Three", "3"), 2, NOW)
    assert same[0].last_transition_time == "2026-03-01T00:00:00Z"
    assert (same[0].reason, same[0].observed_generation) == ("Two", 2)
    assert other[0].last_transition_time == "2026-03-02T00:00:00Z"


def test_conditions_that_no_longer_hold_are_removed() -> None:
    """Kstatus reads a Stalled or Reconciling condition that remains as a failure."""
    before = conditions.merge([], conditions.stalled("Bad", "x"), 1, THEN)
    after = conditions.merge(before, conditions.ready("Good", "y"), 1, NOW)
    assert [condition.type for condition in after] == ["Ready"]


def test_ready_is_present_in_every_state() -> None:
    """`kubectl wait --for=condition=Ready` needs the condition in every state."""
    for build in (conditions.ready, conditions.in_progress, conditions.waiting, conditions.stalled):
        assert build("R", "m")[0].type == "Ready"


def test_a_long_message_is_cut() -> None:
    """A status that is too large to be written would show nothing at all."""
    (condition,) = conditions.merge([], conditions.ready("R", "x" * 100_000), 1, NOW)
    assert len(condition.message) == 8192


def test_a_formatted_timestamp_parses_to_the_same_time() -> None:
    """A plan compares the clock with the times that an earlier plan wrote."""
    assert conditions.parse_timestamp(conditions.format_timestamp(NOW)) == NOW
