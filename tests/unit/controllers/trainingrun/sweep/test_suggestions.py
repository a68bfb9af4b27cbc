"""What a sweep tries: the same for the same seed whatever happens, within its bounds, and better than chance."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelops.api.sweep import Sweep, SweptParameter
from modelops.api.types import StringMap
from modelops.controllers.trainingrun.sweep import grid
from modelops.controllers.trainingrun.sweep.space import count, nth, text_of, value_of
from modelops.controllers.trainingrun.sweep.suggestions import EarlierTrial, suggest

X = {"name": "x", "type": "double", "min": -10, "max": 10}
Y = {"name": "y", "type": "double", "min": -10, "max": 10}
RATE = {"name": "rate", "type": "double", "min": 1e-5, "max": 1.0, "log": True}
DEPTH = {"name": "depth", "type": "int", "min": 2, "max": 9}
KERNEL = {"name": "kernel", "type": "categorical", "values": ["linear", "rbf", "poly"]}


def sweep(*parameters: dict[str, Any], goal: str = "Minimize", **changes: Any) -> Sweep:
    objective = {"metric": "loss", "goal": goal}
    return Sweep.model_validate({"parameters": list(parameters), "objective": objective, "maxTrials": 30, **changes})


def quadratic(parameters: StringMap) -> float:
    """Least at x = 3, y = -2."""
    return (float(parameters["x"]) - 3) ** 2 + (float(parameters["y"]) + 2) ** 2


def run(what: Sweep, value: Callable[[StringMap], float]) -> dict[int, EarlierTrial]:
    """All trials, one after the other."""
    table: dict[int, EarlierTrial] = {}
    for number in range(what.max_trials):
        chosen = suggest(what, [number], table)[number]
        table[number] = EarlierTrial(chosen, "Succeeded", value(chosen))
    return table


def chosen(table: dict[int, EarlierTrial]) -> list[StringMap]:
    return [table[number].parameters for number in sorted(table)]


@pytest.mark.parametrize("algorithm", ["random", "tpe"])
def test_the_same_seed_gives_the_same_suggestions(algorithm: str) -> None:
    """A sweep can be done again, and another seed looks elsewhere."""
    given_ = {"algorithm": algorithm, "seed": 7, "maxTrials": 12}
    first, again = (run(sweep(X, Y, **given_), quadratic) for _ in range(2))
    assert first == again
    assert chosen(first) != chosen(run(sweep(X, Y, **{**given_, "seed": 8}), quadratic))
    assert len({str(one) for one in chosen(first)}) == 12


@pytest.mark.parametrize("algorithm", ["grid", "random", "tpe"])
def test_a_table_that_is_read_again_gives_the_same_suggestion(algorithm: str) -> None:
    """An operator that starts anew knows a trial only as its run tells of it, in any order, and goes on as before."""
    depth = {**X, "step": 0.5} if algorithm == "grid" else X
    what = sweep(depth, DEPTH, KERNEL, algorithm=algorithm, maxTrials=15)
    table: dict[int, EarlierTrial] = {}
    for number in range(what.max_trials):
        at_once = suggest(what, [number], table)
        entries = list(table.items())
        random.Random(number).shuffle(entries)
        reread = {one: EarlierTrial(dict(tried.parameters), tried.state, tried.objective) for one, tried in entries}
        assert suggest(what, [number], reread) == at_once
        value = float(at_once[number]["x"]) ** 2 + int(at_once[number]["depth"])
        table[number] = EarlierTrial(
            at_once[number], "Failed" if number == 4 else "Succeeded", None if number == 4 else value
        )


def test_several_at_once_are_those_that_one_by_one_would_be() -> None:
    """Whether an operator is killed between two trials that begin together makes no difference."""
    what = sweep(X, Y, algorithm="tpe", parallelism=4)
    table = {number: tried for number, tried in run(what, quadratic).items() if number < 8}
    together = suggest(what, [8, 9, 10, 11], table)
    for number in (8, 9, 10, 11):
        alone = suggest(what, [number], table)
        assert alone[number] == together[number]
        table[number] = EarlierTrial(alone[number], "Running")


def test_tpe_does_not_depend_on_which_of_the_trials_beside_it_have_ended() -> None:
    """With 3 at once, trial 9 learns from the trials up to 6: when 7 and 8 end is a matter of time."""
    what = sweep(X, Y, algorithm="tpe", parallelism=3)
    ended = {number: tried for number, tried in run(what, quadratic).items() if number < 9}
    running = ended | {number: EarlierTrial(ended[number].parameters, "Running") for number in (7, 8)}
    assert suggest(what, [9], ended) == suggest(what, [9], running)
    other = ended | {6: EarlierTrial(ended[6].parameters, "Succeeded", 0.0)}
    assert suggest(what, [9], other) != suggest(what, [9], ended)


@pytest.mark.parametrize("goal", ["Minimize", "Maximize"])
def test_tpe_finds_better_than_chance(goal: str) -> None:
    """It learns: over ten seeds, its best of 30 trials is nearer the optimum than that of random draws."""
    sign = 1 if goal == "Minimize" else -1

    def best(algorithm: str, seed: int) -> float:
        what = sweep(X, Y, goal=goal, algorithm=algorithm, seed=seed)
        return min(quadratic(one) for one in chosen(run(what, lambda given_: sign * quadratic(given_))))

    seeds = range(10)
    tpe, chance = ([best(algorithm, seed) for seed in seeds] for algorithm in ("tpe", "random"))
    assert sum(tpe) / len(tpe) < 0.6 * sum(chance) / len(chance)
    assert sum(one < other for one, other in zip(tpe, chance, strict=True)) >= 7


def test_tpe_learns_from_trials_that_were_stopped() -> None:
    """A trial that was stopped early is a bad one, not an unknown one."""
    what = sweep(X, Y, algorithm="tpe")
    table = {number: tried for number, tried in run(what, quadratic).items() if number < 12}
    stopped = {
        number: EarlierTrial(one.parameters, "Stopped", one.objective) for number, one in table.items() if number > 5
    }
    assert suggest(what, [12], table | stopped) != suggest(what, [12], table)


def test_a_trial_that_was_changed_by_hand_to_what_cannot_be_teaches_nothing() -> None:
    """It must not keep the sweep from going on."""
    what = sweep(X, Y, algorithm="tpe")
    table = {number: tried for number, tried in run(what, quadratic).items() if number < 8}
    without = suggest(what, [8], {number: one for number, one in table.items() if number != 3})
    for parameters in ({"x": "99", "y": "0"}, {"x": "none", "y": "0"}, {"y": "0"}):
        assert suggest(what, [8], table | {3: EarlierTrial(parameters, "Succeeded", 0.0)}) == without


@pytest.mark.parametrize(
    ("parameters", "points"),
    [
        ([DEPTH, KERNEL], 24),
        ([{**X, "min": 0, "max": 1, "step": 0.1}], 11),
        ([{**X, "min": 0, "max": 1, "step": 0.3}], 4),
        ([{**DEPTH, "step": 3}], 3),
        ([{**DEPTH, "max": 2}], 1),
    ],
)
def test_a_grid_is_complete_and_without_repeats(parameters: list[dict[str, Any]], points: int) -> None:
    what = sweep(*parameters, algorithm="grid", maxTrials=500)
    assert grid.size(what) == points
    tried = [tuple(grid.point(what, number).values()) for number in range(points)]
    values = [[nth(one, index) for index in range(count(one))] for one in what.parameters]
    assert len(set(tried)) == points == math.prod(len(one) for one in values)
    assert all(text in texts for point in tried for text, texts in zip(point, values, strict=True))


def test_a_grids_values_are_written_as_a_person_would() -> None:
    what = sweep({**X, "min": 0, "max": 0.5, "step": 0.1}, algorithm="grid")
    assert sorted(grid.point(what, number)["x"] for number in range(6)) == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]


def test_a_grids_order_is_the_seeds() -> None:
    """The first trials of a grid that is not tried as a whole are spread over it."""
    orders = [
        [grid.point(sweep(DEPTH, algorithm="grid", seed=seed), number)["depth"] for number in range(8)]
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_a_grid_may_be_larger_than_can_be_counted_out() -> None:
    """Only the points that are tried are made."""
    wide = [{"name": f"n{n}", "type": "int", "min": -(2**53), "max": 2**53} for n in range(16)]
    what = sweep(*wide, algorithm="grid", maxTrials=500)
    assert len({str(grid.point(what, number)) for number in (0, 1, 2, 499)}) == 4


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["double", "stepped", "log", "int", "int-log", "int-step", "categorical"]))
    if kind == "categorical":
        return {"name": "p", "type": kind, "values": draw(st.lists(st.text(max_size=9), min_size=1, unique=True))}
    if kind.startswith("int"):
        low = draw(st.integers(1 if kind == "int-log" else -(2**53), 2**53 - 1))
        made = {"name": "p", "type": "int", "min": low, "max": draw(st.integers(low, 2**53))}
        if kind == "int-step":
            made["step"] = draw(st.integers(max(1, (made["max"] - low) // 10**9 + 1), 2**53))
        return made | ({"log": True} if kind == "int-log" else {})
    least = 1e-12 if kind == "log" else -1e18
    low = draw(st.floats(least, 1e18))
    made = {"name": "p", "type": "double", "min": low, "max": draw(st.floats(low, 1e18))}
    if kind == "stepped":
        made["step"] = draw(st.floats(max((made["max"] - low) / 1e9, 1e-9), 1e18))
    return made | ({"log": True} if kind == "log" else {})


@settings(max_examples=150, deadline=None)
@example({"name": "p", "type": "int", "min": 2**53 - 38, "max": 2**53 - 37, "log": True}, "tpe", 0, 5)
@given(parameters(), st.sampled_from(["random", "tpe"]), st.integers(0, 2**31 - 1), st.integers(0, 499))
def test_every_suggestion_is_one_of_the_values(
    parameter: dict[str, Any], algorithm: str, seed: int, number: int
) -> None:
    """A trainer is never given what the spec does not allow, and its text reads as the value it was."""
    what = sweep(parameter, algorithm=algorithm, seed=seed)
    (one,) = what.parameters
    table = {
        earlier: EarlierTrial(suggest(what, [earlier], {})[earlier], "Succeeded", float(earlier))
        for earlier in range(min(number, 7))
    }
    text = suggest(what, [number], table)[number]["p"]
    value = value_of(one, text)
    assert text_of(one, value) == text
    if one.values is not None:
        assert text in one.values
        return
    assert isinstance(value, float | int)
    assert one.min is not None
    assert one.max is not None
    assert one.min <= value <= one.max
    if one.type == "int":
        assert "." not in text
        assert (int(text) - int(one.min)) % int(one.step or 1) == 0


@given(parameters())
def test_what_can_be_counted_stays_within_its_bounds(parameter: dict[str, Any]) -> None:
    one = SweptParameter.model_validate(parameter)
    if one.type == "double" and one.step is None:
        return
    assert count(one) >= 1
    for text in (nth(one, 0), nth(one, count(one) - 1)):
        value = value_of(one, text)
        assert text in (one.values or [text])
        if not isinstance(value, str):
            assert one.min is not None
            assert one.max is not None
            assert one.min <= value <= one.max


def test_a_log_parameter_is_spread_over_its_logarithms() -> None:
    """As many draws below as above the geometric middle."""
    what = sweep(RATE, algorithm="random", maxTrials=60)
    low = sum(float(one["rate"]) < math.sqrt(1e-5) for one in chosen(run(what, lambda _: 0.0)))
    assert 20 <= low <= 40
