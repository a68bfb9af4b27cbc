"""The window that a judgement rests on: nothing from before it, nothing twice, nothing lost between two."""

from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.windows import Attempt, Windows

ATTEMPT = Attempt("uid", "a1")
OTHER = Attempt("uid", "a2")


def requests(ledger: Windows[Counters], attempt: Attempt = ATTEMPT) -> int | None:
    counted = ledger.window(attempt, "candidate")
    return counted.requests if counted is not None else None


def fed(*looks: tuple[str, int], ledger: Windows[Counters] | None = None) -> Windows[Counters]:
    ledger = ledger if ledger is not None else Windows()
    for pod, count in looks:
        ledger.take(ATTEMPT, "candidate", pod, Counters(count))
    return ledger


def test_nothing_from_before_the_window_counts() -> None:
    assert requests(fed()) is None
    assert requests(fed(("p", 1000))) is None
    assert requests(fed(("p", 1000), ("p", 1003))) == 3


def test_pods_add_up_and_sides_are_apart() -> None:
    ledger = fed(("p", 0), ("q", 10), ("p", 5), ("q", 12))
    ledger.take(ATTEMPT, "stable", "p", Counters(50))
    ledger.take(ATTEMPT, "stable", "p", Counters(90))
    assert requests(ledger) == 7
    assert ledger.window(ATTEMPT, "stable") == Counters(40)


def test_a_pod_that_began_anew_counts_from_nothing() -> None:
    assert requests(fed(("p", 100), ("p", 110), ("p", 4))) == 14


def test_a_new_window_begins_where_the_last_one_ends() -> None:
    ledger = fed(("p", 0), ("p", 5))
    ledger.begin(ATTEMPT)
    assert requests(ledger) is None
    assert requests(fed(("p", 8), ledger=ledger)) == 3


def test_what_a_pod_that_is_gone_has_counted_stays() -> None:
    ledger = fed(("p", 0), ("p", 5), ("q", 0), ("q", 2))
    ledger.keep_pods(ATTEMPT, {"q"})
    assert requests(ledger) == 7
    # One of the same name is another one, of which it is not known what came before.
    assert requests(fed(("p", 9), ledger=ledger)) == 7


def test_attempts_know_nothing_of_each_other_and_are_forgotten() -> None:
    ledger = fed(("p", 0), ("p", 5))
    ledger.take(OTHER, "candidate", "p", Counters(6))
    ledger.take(OTHER, "candidate", "p", Counters(7))
    assert (requests(ledger), requests(ledger, OTHER)) == (5, 1)
    ledger.keep_only(lambda attempt: attempt == OTHER)
    assert (requests(ledger), requests(ledger, OTHER), len(ledger)) == (None, 1, 1)


def test_what_was_never_seen_can_begin_and_be_forgotten() -> None:
    ledger: Windows[Counters] = Windows()
    ledger.begin(ATTEMPT)
    ledger.keep_pods(ATTEMPT, set())
    assert len(ledger) == 0


looks = st.lists(st.tuples(st.sampled_from("pqr"), st.integers(0, 50)), max_size=30)


@given(looks)
def test_a_window_is_never_negative(said: list[tuple[str, int]]) -> None:
    """Whatever Pods say."""
    assert (requests(fed(*said)) or 0) >= 0


@given(looks, st.permutations("pqr"))
def test_the_order_in_which_pods_are_looked_at_does_not_matter(said: list[tuple[str, int]], order: list[str]) -> None:
    one_by_one = [look for pod in order for look in said if look[0] == pod]
    assert requests(fed(*said)) == requests(fed(*one_by_one))


@given(looks, st.integers(0, 30))
def test_two_windows_have_together_what_one_would_have(said: list[tuple[str, int]], cut: int) -> None:
    ledger = fed(*said[:cut])
    first = requests(ledger) or 0
    ledger.begin(ATTEMPT)
    second = requests(fed(*said[cut:], ledger=ledger)) or 0
    assert first + second == (requests(fed(*said)) or 0)
