"""Windows of an analysis: nothing from before a window counts, nothing counts twice, nothing is lost in between."""

from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.windows import RolloutAttempt, Windows

ATTEMPT = RolloutAttempt("uid", "a1")
OTHER = RolloutAttempt("uid", "a2")


def requests(windows: Windows[Counters], attempt: RolloutAttempt = ATTEMPT) -> int | None:
    """Return the candidate's requests in the window."""
    counters = windows.window(attempt, "candidate")
    return counters.requests if counters is not None else None


def read(*readings: tuple[str, int], windows: Windows[Counters] | None = None) -> Windows[Counters]:
    """Add these readings of Pods' requests for the candidate."""
    windows = windows if windows is not None else Windows()
    for pod, count in readings:
        windows.add(ATTEMPT, "candidate", pod, Counters(count))
    return windows


def test_the_first_reading_of_a_pod_counts_nothing() -> None:
    assert requests(read()) is None
    assert requests(read(("p", 1000))) is None
    assert requests(read(("p", 1000), ("p", 1003))) == 3


def test_pods_are_summed_for_each_side() -> None:
    windows = read(("p", 0), ("q", 10), ("p", 5), ("q", 12))
    windows.add(ATTEMPT, "stable", "p", Counters(50))
    windows.add(ATTEMPT, "stable", "p", Counters(90))
    assert requests(windows) == 7
    assert windows.window(ATTEMPT, "stable") == Counters(40)


def test_a_pod_that_restarted_counts_from_zero() -> None:
    assert requests(read(("p", 100), ("p", 110), ("p", 4))) == 14


def test_a_new_window_begins_where_the_last_one_ends() -> None:
    windows = read(("p", 0), ("p", 5))
    windows.begin(ATTEMPT)
    assert requests(windows) is None
    assert requests(read(("p", 8), windows=windows)) == 3


def test_the_counts_of_a_deleted_pod_stay() -> None:
    windows = read(("p", 0), ("p", 5), ("q", 0), ("q", 2))
    windows.keep_pods(ATTEMPT, {"q"})
    assert requests(windows) == 7
    # A Pod of the same name is another Pod, whose first reading counts nothing.
    assert requests(read(("p", 9), windows=windows)) == 7


def test_attempts_have_windows_of_their_own_and_can_be_forgotten() -> None:
    windows = read(("p", 0), ("p", 5))
    windows.add(OTHER, "candidate", "p", Counters(6))
    windows.add(OTHER, "candidate", "p", Counters(7))
    assert (requests(windows), requests(windows, OTHER)) == (5, 1)
    windows.keep_only(lambda attempt: attempt == OTHER)
    assert (requests(windows), requests(windows, OTHER), len(windows)) == (None, 1, 1)


def test_an_unknown_attempt_can_begin_a_window_and_be_forgotten() -> None:
    windows: Windows[Counters] = Windows()
    windows.begin(ATTEMPT)
    windows.keep_pods(ATTEMPT, set())
    assert len(windows) == 0


readings = st.lists(st.tuples(st.sampled_from("pqr"), st.integers(0, 50)), max_size=30)


@given(readings)
def test_a_window_is_never_negative_whatever_pods_report(counts: list[tuple[str, int]]) -> None:
    assert (requests(read(*counts)) or 0) >= 0


@given(readings, st.permutations("pqr"))
def test_the_order_in_which_pods_are_read_does_not_matter(counts: list[tuple[str, int]], order: list[str]) -> None:
    one_by_one = [reading for pod in order for reading in counts if reading[0] == pod]
    assert requests(read(*counts)) == requests(read(*one_by_one))


@given(readings, st.integers(0, 30))
def test_two_windows_together_have_the_requests_of_one(counts: list[tuple[str, int]], cut: int) -> None:
    windows = read(*counts[:cut])
    first = requests(windows) or 0
    windows.begin(ATTEMPT)
    second = requests(read(*counts[cut:], windows=windows)) or 0
    assert first + second == (requests(read(*counts)) or 0)
