"""Have parameters suggested in the background: one trial's at a time, in turns of namespaces.

A suggestion takes the CPU from everything else of the operator, for 0.2 seconds after 500 trials of 16 parameters, the
most that a sweep may have.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from modelops.api.sweep import Algorithm, Sweep
from modelops.api.types import StringMap
from modelops.controllers.background import Background
from modelops.controllers.trainingrun.sweep.suggestions import EarlierTrial, suggest
from modelops.machinery.resources import Key


class _Run(NamedTuple):
    """A TrainingRun: a second one of the same name has another UID."""

    key: Key
    uid: str


@dataclass(frozen=True)
class Question:
    """All that the parameters of some trials depend on."""

    sweep: Sweep
    numbers: tuple[int, ...]
    earlier: Mapping[int, EarlierTrial]

    @classmethod
    def of(cls, sweep: Sweep, numbers: tuple[int, ...], trials: Mapping[int, EarlierTrial]) -> "Question":
        """Return the question without what the answer does not depend on, so that a trial's progress changes nothing.

        Of trials that may run beside all of these only the parameters count, and for random ones no other trial does.
        """
        if sweep.algorithm is not Algorithm.TPE:
            return cls(sweep, numbers, {})
        last = max(numbers) - sweep.parallelism
        return cls(
            sweep,
            numbers,
            {
                number: trial if number <= last else EarlierTrial(trial.parameters, "Running")
                for number, trial in trials.items()
            },
        )


@dataclass(frozen=True, eq=False)
class _Answer:
    question: Question
    suggested: Mapping[int, StringMap]
    error: Exception | None = None


class Suggester(Background[_Run, _Answer]):
    """Suggestions that are not taken yet, and those being made: for one run at a time each."""

    def __init__(self) -> None:
        super().__init__(slots=1, share=1)

    def take(self, key: Key, uid: str, question: Question) -> Mapping[int, StringMap] | None:
        """Return the parameters by the trial's number, and forget them; None if they have not been suggested.

        Raises what suggesting them raised.
        """
        answer = self._results.pop(_Run(key, uid), None)
        if answer is None or answer.question != question:
            return None
        if answer.error is not None:
            raise answer.error
        return answer.suggested

    def start(self, key: Key, uid: str, question: Question, enqueue: Callable[[Key], None]) -> None:
        """Suggest the parameters, unless a suggestion for the run is being made. Enqueue the run at its end."""

        async def work() -> _Answer:
            suggested: dict[int, StringMap] = {}
            known = dict(question.earlier)
            try:
                for number in sorted(question.numbers):
                    # One by one, which suggests the same: the next turn may be another namespace's.
                    async with self._slots.hold(key.namespace):
                        suggested |= await asyncio.to_thread(suggest, question.sweep, [number], known)
                    known[number] = EarlierTrial(suggested[number], "Running")
            except Exception as error:
                return _Answer(question, {}, error)
            return _Answer(question, suggested)

        self._start(key, _Run(key, uid), work, enqueue)
