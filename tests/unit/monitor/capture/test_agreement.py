"""Copies and their two answers: which are the same, how long one is kept, and who is asked how often."""

import json
from dataclasses import dataclass, field

import pytest

from modelops.monitor.capture import agreement, pairing
from modelops.monitor.capture.agreement import KEPT_SECONDS, Answers, NoPredictionsError, answers_told, same
from modelops.monitor.capture.pairing import ASKED_AFTER, AT_ONCE, Pairing
from modelops.monitor.capture.tables import Table

NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "expect"),
    [
        pytest.param({"p": [1.0]}, {"p": [1.0]}, 0, True, id="the same number"),
        pytest.param({"p": [100.0]}, {"p": [101.0]}, 0.01, True, id="within the tolerance of the greater one"),
        pytest.param({"p": [100.0]}, {"p": [101.1]}, 0.01, False, id="outside of it"),
        pytest.param({"p": [-100.0]}, {"p": [-101.0]}, 0.01, True, id="below zero as well"),
        pytest.param({"p": [0.0]}, {"p": [1e-9]}, 0.000001, False, id="nothing and something differ"),
        pytest.param({"p": ["yes"]}, {"p": ["yes"]}, 0, True, id="the same word"),
        pytest.param({"p": ["yes"]}, {"p": ["no"]}, 1, False, id="words have no tolerance"),
        pytest.param({"p": ["1"]}, {"p": [1.0]}, 1, False, id="a word is no number"),
        pytest.param({"p": [NAN]}, {"p": [NAN]}, 0, True, id="no number twice"),
        pytest.param({"p": [NAN]}, {"p": [1.0]}, 1, False, id="no number and one"),
        pytest.param({"p": [1.0]}, {"p": [1.0, 1.0]}, 1, False, id="another number of rows"),
        pytest.param({"p": [1.0]}, {"q": [1.0]}, 1, False, id="another column"),
        pytest.param({"p": [1.0, 2.0]}, {"p": [1.0, 3.0]}, 0, False, id="one of several values"),
    ],
)
def test_which_answers_are_the_same(one, other, tolerance, expect):
    assert same(one, other, tolerance) is expect
    assert same(other, one, tolerance) is expect


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_told_once():
    """Two copies never rest on one answer, and what was taken needs no room."""
    answers = Answers(Clock())
    answers.keep("a", {"p": [1.0, "x"]})
    assert answers_told(answers.take(["a", "b"]).encode()) == {"a": {"p": [1.0, "x"]}}
    assert answers.take(["a"]) == "{}"


def test_an_answer_is_kept_for_a_minute():
    clock = Clock()
    answers = Answers(clock)
    answers.keep("a", {"p": [1.0]})
    answers.keep("b", {"p": [1.0]})
    clock.now += KEPT_SECONDS
    assert json.loads(answers.take(["a"])) == {"a": {"p": [1.0]}}
    clock.now += 1
    assert answers.take(["b"]) == "{}"


def test_answers_have_a_bound(monkeypatch):
    """Where nobody asks the oldest ones go."""
    monkeypatch.setattr(agreement, "MOST_KEPT_BYTES", 100)
    answers = Answers(Clock())
    for n in range(50):
        answers.keep(str(n), {"p": [1.0]})
    kept = json.loads(answers.take([str(n) for n in range(50)]))
    assert list(kept) == [str(n) for n in range(50 - len(kept), 50)]
    assert 0 < len(kept) < 10


def test_what_is_told_at_once_has_a_bound(monkeypatch):
    """The rest is there for the next time."""
    monkeypatch.setattr(agreement, "MOST_TOLD_BYTES", 30)
    answers = Answers(Clock())
    for name in "abc":
        answers.keep(name, {"p": [1.0]})
    assert list(json.loads(answers.take("abc"))) == ["a", "b"]
    assert list(json.loads(answers.take("abc"))) == ["c"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b'{"a": {"p": 1}}', b'{"a": {"p": [{}]}}'])
def test_what_no_monitor_tells(content):
    with pytest.raises(NoPredictionsError):
        answers_told(content)


@dataclass
class Keepers:
    """Other Pods, and what they were asked."""

    kept: dict[str, Table] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    away: set[str] = field(default_factory=set)

    def __call__(self, address: str, names: list[str]) -> dict[str, Table]:
        self.asked.append((address, len(names)))
        if address in self.away:
            raise TimeoutError
        return {name: self.kept.pop(name) for name in names if name in self.kept}


def counts(found: Pairing) -> tuple[int, int, int]:
    return found.compared, found.agreed, found.unpaired


def test_answers_are_compared_once_there_was_time_for_both():
    clock, keepers = Clock(), Keepers({"a": {"p": [1.0]}, "b": {"p": [1.0]}})
    found = Pairing(keepers, clock)
    found.add("a", "10.0.0.1", {"p": [1.0]}, 0)
    found.add("b", "10.0.0.1", {"p": [2.0]}, 0)
    found.round()
    assert keepers.asked == []
    clock.now += ASKED_AFTER[0]
    found.round()
    found.round()
    assert keepers.asked == [("10.0.0.1", 2)]
    assert counts(found) == (2, 1, 0)


def test_a_request_that_only_the_candidate_refuses_is_a_disagreement():
    clock = Clock()
    found = Pairing(Keepers({"a": {"p": [1.0]}}), clock)
    found.add("a", "10.0.0.1", None, 0)
    clock.now += ASKED_AFTER[0]
    found.round()
    assert counts(found) == (1, 0, 0)


def test_a_slow_answer_is_asked_for_again():
    """The version that serves may take its time."""
    clock, keepers = Clock(), Keepers()
    found = Pairing(keepers, clock)
    found.add("a", "10.0.0.1", {"p": [1.0]}, 0)
    clock.now += ASKED_AFTER[0]
    found.round()
    keepers.kept["a"] = {"p": [1.0]}
    clock.now += ASKED_AFTER[1] - ASKED_AFTER[0]
    found.round()
    assert counts(found) == (1, 1, 0)


def test_an_answer_that_never_comes_is_given_up():
    """It says nothing about the candidate: a request may have failed, or its record was dropped."""
    clock, keepers = Clock(), Keepers()
    found = Pairing(keepers, clock)
    found.add("a", "10.0.0.1", {"p": [1.0]}, 0)
    for _ in range(100):
        clock.now += 1
        found.round()
    assert len(keepers.asked) == len(ASKED_AFTER)
    assert counts(found) == (0, 0, 1)


def test_a_pod_that_is_away_holds_up_no_other():
    clock = Clock()
    keepers = Keepers({"z": {"p": [1.0]}}, away={"10.0.0.1"})
    found = Pairing(keepers, clock)
    for n in range(3 * AT_ONCE):
        found.add(f"a{n}", "10.0.0.1", {"p": [1.0]}, 0)
    found.add("z", "10.0.0.2", {"p": [1.0]}, 0)
    clock.now += ASKED_AFTER[0]
    found.round()
    assert keepers.asked == [("10.0.0.1", AT_ONCE), ("10.0.0.2", 1)]
    assert counts(found) == (1, 1, 0)


def test_what_waits_has_a_bound(monkeypatch):
    monkeypatch.setattr(pairing, "MOST_VALUES", 10)
    found = Pairing(Keepers(), Clock())
    for n in range(5):
        found.add(str(n), "10.0.0.1", {"p": [1.0, 2.0, 3.0, 4.0]}, 0)
    assert counts(found) == (0, 0, 3)
