"""Stub until the real one is merged."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops.api.reports import ProgressReport
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import Progress
from modelops.controllers.jobs import JobState
from modelops.machinery.controller import World


@dataclass(frozen=True)
class Told:
    progress: Progress | None = None
    again_in: timedelta | None = None


class ProgressPoller:
    def progress(self, run: TrainingRun, job: JobState, world: World) -> ProgressReport | None:
        return None


def worth_telling(report: ProgressReport | None, run: TrainingRun, now: datetime) -> Told:
    return Told()
