"""Parameters are suggested in the background, in turns of namespaces, and only for the question that was asked."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from modelops.api.sweep import Sweep
from modelops.api.types import StringMap
from modelops.controllers.trainingrun.sweep import suggester as suggester_module
from modelops.controllers.trainingrun.sweep.suggester import Question, Suggester
from modelops.controllers.trainingrun.sweep.suggestions import EarlierTrial, suggest
from modelops.machinery.resources import Key

KEY, OTHER = Key("TrainingRun", "team-a", "search"), Key("TrainingRun", "team-b", "search")
SWEEP = Sweep.model_validate(
    {
        "algorithm": "tpe",
        "parameters": [{"name": "x", "type": "double", "min": -10, "max": 10}],
        "objective": {"metric": "loss"},
        "parallelism": 2,
        "maxTrials": 30,
    }
)
TRIALS = {n: EarlierTrial({"x": str(n)}, "Succeeded", float(n)) for n in range(8)}


async def asked(suggester: Suggester, question: Question, key: Key = KEY) -> list[Key]:
    """Have parameters suggested to the end. Return the runs that were enqueued."""
    enqueued: list[Key] = []
    suggester.start(key, "uid", question, enqueued.append)
    await suggester._running[key]
    return enqueued


async def test_the_suggestions_are_those_of_all_trials_at_once_and_taken_once() -> None:
    suggester, question = Suggester(), Question.of(SWEEP, (8, 9), TRIALS)
    assert suggester.take(KEY, "uid", question) is None
    for _ in range(2):
        assert await asked(suggester, question) == [KEY]
        assert suggester.take(KEY, "uid", question) == suggest(SWEEP, [8, 9], TRIALS)
        assert suggester.take(KEY, "uid", question) is None


async def test_suggestions_for_another_question_are_not_taken() -> None:
    """A trial that ended meanwhile, or another spec of the run, has other suggestions."""
    suggester, question = Suggester(), Question.of(SWEEP, (8,), TRIALS)
    for other in (
        Question.of(SWEEP, (9,), TRIALS),
        Question.of(SWEEP, (8,), {**TRIALS, 0: EarlierTrial({"x": "0"}, "Succeeded", 9.0)}),
        Question.of(SWEEP.model_copy(update={"seed": 1}), (8,), TRIALS),
    ):
        await asked(suggester, question)
        assert suggester.take(KEY, "uid", other) is None


@pytest.mark.parametrize("state", ["Running", "Failed"])
def test_the_progress_of_trials_beside_those_asked_for_does_not_change_the_question(state: Any) -> None:
    """Trials report their progress all the time: the question must not change until it is answered."""
    beside = {**TRIALS, 7: EarlierTrial({"x": "7"}, state, 3.0)}
    assert Question.of(SWEEP, (8,), TRIALS) == Question.of(SWEEP, (8,), beside)
    changed = {**TRIALS, 6: EarlierTrial({"x": "6"}, state, 3.0)}
    assert Question.of(SWEEP, (8,), TRIALS) != Question.of(SWEEP, (8,), changed)


async def test_a_bug_is_raised_in_the_reconcile_that_asked_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reconcile fails by it, with a growing pause, and the object's status shows it."""

    def broken(*given: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(suggester_module, "suggest", broken)
    suggester, question = Suggester(), Question.of(SWEEP, (8,), TRIALS)
    assert await asked(suggester, question) == [KEY]
    with pytest.raises(RuntimeError, match="a bug"):
        suggester.take(KEY, "uid", question)
    assert suggester.take(KEY, "uid", question) is None


async def test_a_sweep_with_many_trials_lets_another_namespaces_sweep_have_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order, begun = list[int](), threading.Event()

    def noted(sweep: Sweep, numbers: Sequence[int], earlier: Mapping[int, EarlierTrial]) -> dict[int, StringMap]:
        begun.wait()
        order.extend(numbers)
        return {number: {"x": "1"} for number in numbers}

    monkeypatch.setattr(suggester_module, "suggest", noted)
    suggester = Suggester()
    suggester.start(KEY, "uid", Question.of(SWEEP, (0, 1, 2), {}), lambda key: None)
    suggester.start(KEY._replace(name="more"), "uid", Question.of(SWEEP, (10, 11), {}), lambda key: None)
    await asyncio.sleep(0)
    suggester.start(OTHER, "uid", Question.of(SWEEP, (20,), {}), lambda key: None)
    await asyncio.sleep(0)
    begun.set()
    await asyncio.gather(*suggester._running.values())
    assert order.index(20) <= 2
    assert sorted(order) == [0, 1, 2, 10, 11, 20]
