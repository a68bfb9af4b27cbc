"""Suggestions of a sweep: the same for the same seed, within the bounds, and with tpe better than chance."""

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
    """Return a value whose minimum is at x = 3, y = -2."""
    return (float(parameters["x"]) - 3) ** 2 + (float(parameters["y"]) + 2) ** 2


def run(what: Sweep, value: Callable[[StringMap], float]) -> dict[int, EarlierTrial]:
    """Run all trials, one after the other."""
    table: dict[int, EarlierTrial] = {}
    for number in range(what.max_trials):
        chosen = suggest(what, [number], table)[number]
        table[number] = EarlierTrial(chosen, "Succeeded", value(chosen))
    return table


def chosen(table: dict[int, EarlierTrial]) -> list[StringMap]:
    return [table[number].parameters for number in sorted(table)]


@pytest.mark.parametrize("algorithm", ["random", "tpe"])
def test_the_same_seed_gives_the_same_suggestions(algorithm: str) -> None:
    """A sweep can be repeated, and another seed gives other suggestions."""
    fields: dict[str, Any] = {"algorithm": algorithm, "seed": 7, "maxTrials": 12}
    first, again = (run(sweep(X, Y, **fields), quadratic) for _ in range(2))
    assert first == again
    assert chosen(first) != chosen(run(sweep(X, Y, **{**fields, "seed": 8}), quadratic))
    assert len({str(parameters) for parameters in chosen(first)}) == 12


@pytest.mark.parametrize("algorithm", ["grid", "random", "tpe"])
def test_a_table_that_is_read_again_gives_the_same_suggestion(algorithm: str) -> None:
    """A restarted operator reads the trials from their runs, in any order, and continues as before."""
    depth = {**X, "step": 0.5} if algorithm == "grid" else X
    what = sweep(depth, DEPTH, KERNEL, algorithm=algorithm, maxTrials=15)
    table: dict[int, EarlierTrial] = {}
    for number in range(what.max_trials):
        at_once = suggest(what, [number], table)
        entries = list(table.items())
        random.Random(number).shuffle(entries)
        reread = {n: EarlierTrial(dict(trial.parameters), trial.state, trial.objective) for n, trial in entries}
        assert suggest(what, [number], reread) == at_once
        value = float(at_once[number]["x"]) ** 2 + int(at_once[number]["depth"])
        table[number] = EarlierTrial(
            at_once[number], "Failed" if number == 4 else "Succeeded", None if number == 4 else value
        )


def test_suggestions_made_together_equal_those_made_one_by_one() -> None:
    """An operator may be killed between the creation of two trials."""
    what = sweep(X, Y, algorithm="tpe", parallelism=4)
    table = {number: trial for number, trial in run(what, quadratic).items() if number < 8}
    together = suggest(what, [8, 9, 10, 11], table)
    for number in (8, 9, 10, 11):
        alone = suggest(what, [number], table)
        assert alone[number] == together[number]
        table[number] = EarlierTrial(alone[number], "Running")


def test_a_suggestion_of_tpe_does_not_depend_on_trials_that_may_run_beside_it() -> None:
    """With parallelism 3, trial 9 learns from the trials up to 6: when 7 and 8 end is a matter of time."""
    what = sweep(X, Y, algorithm="tpe", parallelism=3)
    ended = {number: trial for number, trial in run(what, quadratic).items() if number < 9}
    running = ended | {number: EarlierTrial(ended[number].parameters, "Running") for number in (7, 8)}
    assert suggest(what, [9], ended) == suggest(what, [9], running)
    other = ended | {6: EarlierTrial(ended[6].parameters, "Succeeded", 0.0)}
    assert suggest(what, [9], other) != suggest(what, [9], ended)


@pytest.mark.parametrize("goal", ["Minimize", "Maximize"])
def test_tpe_finds_better_than_chance(goal: str) -> None:
    """Over ten seeds, its best of 30 trials is nearer to the optimum than that of random draws."""
    sign = 1 if goal == "Minimize" else -1

    def best(algorithm: str, seed: int) -> float:
        what = sweep(X, Y, goal=goal, algorithm=algorithm, seed=seed)
        return min(quadratic(point) for point in chosen(run(what, lambda point: sign * quadratic(point))))

    seeds = range(10)
    tpe, chance = ([best(algorithm, seed) for seed in seeds] for algorithm in ("tpe", "random"))
    assert sum(tpe) / len(tpe) < 0.6 * sum(chance) / len(chance)
    assert sum(learned < drawn for learned, drawn in zip(tpe, chance, strict=True)) >= 7


def test_tpe_learns_from_trials_that_were_stopped() -> None:
    """A trial that was stopped early counts as a bad one, not as an unknown one."""
    what = sweep(X, Y, algorithm="tpe")
    table = {number: trial for number, trial in run(what, quadratic).items() if number < 12}
    stopped = {n: EarlierTrial(trial.parameters, "Stopped", trial.objective) for n, trial in table.items() if n > 5}
    assert suggest(what, [12], table | stopped) != suggest(what, [12], table)


def test_a_trial_with_invalid_parameters_is_ignored() -> None:
    """A run that was edited by hand must not hold up the sweep."""
    what = sweep(X, Y, algorithm="tpe")
    table = {number: trial for number, trial in run(what, quadratic).items() if number < 8}
    without = suggest(what, [8], {number: trial for number, trial in table.items() if number != 3})
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
    ids=["int and categorical", "steps of 0.1", "steps of 0.3", "steps of an int", "a single value"],
)
def test_a_grid_is_complete_and_without_repeats(parameters: list[dict[str, Any]], points: int) -> None:
    what = sweep(*parameters, algorithm="grid", maxTrials=500)
    assert grid.size(what) == points
    tried = [tuple(grid.point(what, number).values()) for number in range(points)]
    values = [[nth(swept, index) for index in range(count(swept))] for swept in what.parameters]
    assert len(set(tried)) == points == math.prod(len(texts) for texts in values)
    assert all(text in texts for point in tried for text, texts in zip(point, values, strict=True))


def test_the_values_of_a_grid_are_short_decimal_numbers() -> None:
    what = sweep({**X, "min": 0, "max": 0.5, "step": 0.1}, algorithm="grid")
    assert sorted(grid.point(what, number)["x"] for number in range(6)) == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]


def test_the_seed_decides_the_order_of_a_grid() -> None:
    """The first trials are spread over the grid, which may have more points than maxTrials."""
    orders = [
        [grid.point(sweep(DEPTH, algorithm="grid", seed=seed), number)["depth"] for number in range(8)]
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_a_grid_may_have_more_points_than_fit_into_memory() -> None:
    """Only the points of trials are calculated."""
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
        high = draw(st.integers(low, 2**53))
        whole: dict[str, Any] = {"name": "p", "type": "int", "min": low, "max": high}
        if kind == "int-step":
            whole["step"] = draw(st.integers(max(1, (high - low) // 10**9 + 1), 2**53))
        return whole | ({"log": True} if kind == "int-log" else {})
    least = 1e-12 if kind == "log" else -1e18
    least_value = draw(st.floats(least, 1e18))
    greatest = draw(st.floats(least_value, 1e18))
    double: dict[str, Any] = {"name": "p", "type": "double", "min": least_value, "max": greatest}
    if kind == "stepped":
        double["step"] = draw(st.floats(max((greatest - least_value) / 1e9, 1e-9), 1e18))
    return double | ({"log": True} if kind == "log" else {})


@settings(max_examples=150, deadline=None)
@example({"name": "p", "type": "int", "min": 2**53 - 38, "max": 2**53 - 37, "log": True}, "tpe", 0, 5)
@given(parameters(), st.sampled_from(["random", "tpe"]), st.integers(0, 2**31 - 1), st.integers(0, 499))
def test_every_suggestion_is_one_of_the_values(
    parameter: dict[str, Any], algorithm: str, seed: int, number: int
) -> None:
    """A trainer never gets a value that the spec does not allow, and reads the value that was suggested."""
    what = sweep(parameter, algorithm=algorithm, seed=seed)
    (swept,) = what.parameters
    table = {
        earlier: EarlierTrial(suggest(what, [earlier], {})[earlier], "Succeeded", float(earlier))
        for earlier in range(min(number, 7))
    }
    text = suggest(what, [number], table)[number]["p"]
    value = value_of(swept, text)
    assert text_of(swept, value) == text
    if swept.values is not None:
        assert text in swept.values
        return
    assert isinstance(value, float | int)
    assert swept.min is not None
    assert swept.max is not None
    assert swept.min <= value <= swept.max
    if swept.type == "int":
        assert "." not in text
        assert (int(text) - int(swept.min)) % int(swept.step or 1) == 0


@given(parameters())
def test_the_first_and_last_countable_value_are_within_the_bounds(parameter: dict[str, Any]) -> None:
    swept = SweptParameter.model_validate(parameter)
    if swept.type == "double" and swept.step is None:
        return
    assert count(swept) >= 1
    for text in (nth(swept, 0), nth(swept, count(swept) - 1)):
        value = value_of(swept, text)
        assert text in (swept.values or [text])
        if not isinstance(value, str):
            assert swept.min is not None
            assert swept.max is not None
            assert swept.min <= value <= swept.max


def test_a_log_parameter_is_spread_over_its_logarithms() -> None:
    """About half of the draws are below the geometric mean of the bounds."""
    what = sweep(RATE, algorithm="random", maxTrials=60)
    low = sum(float(point["rate"]) < math.sqrt(1e-5) for point in chosen(run(what, lambda _: 0.0)))
    assert 20 <= low <= 40
