"""sidecar: watch over the trainer beside it, keep its checkpoints, publish the model it wrote, and report."""

import logging
import time
from functools import partial

from modelops.api.contract.reports import SidecarReport
from modelops.api.contract.tasks import SidecarTask
from modelops.store.errors import S3Error
from modelops.store.layout import Location, history_of, packages_of
from modelops.worker.checkpoints import session
from modelops.worker.checkpoints.background import Keeping
from modelops.worker.checkpoints.manifests import RankPlace
from modelops.worker.checkpoints.sync import Keeper, Trainer
from modelops.worker.model.artifact import files_of
from modelops.worker.model.publishing import publish
from modelops.worker.model.run_records import MOST_HISTORY_BYTES, MOST_PACKAGES_BYTES, keep_record
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.graceful_stop import Stop, Terminated
from modelops.worker.runtime.retry import retry
from modelops.worker.runtime.stores import client_of
from modelops.worker.training import trainer_exit
from modelops.worker.training.metrics import read_metrics
from modelops.worker.training.progress_server import telling
from modelops.worker.training.rank import own_rank
from modelops.worker.training.tailing import Tail

_LAST_CHECKPOINTS_SECONDS = 300.0
_AFTERWARDS_SECONDS = 60.0
"""For what is done once the model is safe, each: it must not hold up the run's success for long."""
_log = logging.getLogger(__name__)


def run(task: SidecarTask) -> SidecarReport:
    """Do the task. Raises TaskError and Terminated."""
    state = paths.shared() / "state"
    rank = own_rank()
    place = session.place_of(task.checkpoints)
    connect = partial(client_of, task.store)
    keeper = Keeper(session.directory(), RankPlace(place, rank), connect, session.remembered())
    tail = Tail(paths.ml() / "output" / "metrics.jsonl")
    with Stop(task.stop_seconds) as stop, telling(tail), Keeping(keeper) as keeping:
        _log.info("waiting for the trainer")
        ended = trainer_exit.wait_for_end(state, stop)
        stopped = stop.wished
        code = trainer_exit.exit_code(state)
        _log.info("the trainer %s", f"ended with {_words(code)}" if ended else "is waited for no longer")
        if stopped or code != 0 or rank > 0:
            complete = ended and not trainer_exit.was_killed(code)
            _keep_once_more(keeping, Trainer.ENDED if complete else Trainer.MAY_WRITE, stop)
        if stopped:
            # Also where it exited with 0: a trainer that was told to stop has not written its model for that.
            raise Terminated
        trainer_exit.check_end(code, paths.ml() / "output" / "failure")
        if rank > 0:
            return SidecarReport()
        keeping.abandon()
        report = _published(task)
        try:
            report = _with_records(report, task)
            _delete_checkpoints(place, task, keeping, stop)
        except Terminated:
            _log.info("told to stop, after the model was published")
        return report


def _keep_once_more(keeping: Keeping, what: Trainer, stop: Stop) -> None:
    deadline = time.monotonic() + _LAST_CHECKPOINTS_SECONDS
    keeping.once_more(what, lambda: min(deadline - time.monotonic(), stop.left()))


def _published(task: SidecarTask) -> SidecarReport:
    model = paths.ml() / "model"
    files = files_of(model) if model.is_dir() else []
    if not files:
        raise TaskError("NoModelWritten", "the trainer exited with code 0 but wrote nothing to /opt/ml/model")
    metrics = read_metrics(paths.ml() / "output" / "metrics.json")
    return SidecarReport(artifact=publish(files, task.store, task.publish_timeout_seconds), metrics=metrics)


def _with_records(report: SidecarReport, task: SidecarTask) -> SidecarReport:
    """With what else the trainer left. A model is not lost for the lack of it."""
    output = paths.ml() / "output"
    records = {}
    for field, name, place, most_bytes in (
        ("history", "metrics.jsonl", history_of, MOST_HISTORY_BYTES),
        ("packages", "packages.txt", packages_of, MOST_PACKAGES_BYTES),
    ):
        try:
            records[field] = keep_record(output / name, task.store, place, most_bytes, _AFTERWARDS_SECONDS)
        except OSError as error:
            _log.warning("%s is not kept: %s", name, error)
    return report.model_copy(update=records)


def _delete_checkpoints(place: Location, task: SidecarTask, keeping: Keeping, stop: Stop) -> None:
    """They have served their purpose. What cannot be deleted now stays behind, and costs only space."""
    deadline = time.monotonic() + _AFTERWARDS_SECONDS
    keeping.has_ended(lambda: min(deadline - time.monotonic(), stop.left()))
    try:
        client = client_of(task.store)
        count = retry(lambda: session.delete_all(client, place), seconds=_AFTERWARDS_SECONDS)
        if count:
            _log.info("%d objects of checkpoints deleted", count)
    except S3Error as problem:
        _log.warning("checkpoints stay behind at %s: %s", place.uri, problem.message)


def _words(code: int | None) -> str:
    return "no exit code" if code is None else f"exit code {code}"
