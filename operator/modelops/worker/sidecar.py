"""sidecar: save the trainer's checkpoints and serve its progress, publish the model that it wrote, and report."""

import logging
import time
from functools import partial

from modelops.api.contract.reports import ProgressPoint, ProgressReport, SidecarReport
from modelops.api.contract.tasks import SidecarTask
from modelops.store.errors import S3Error
from modelops.store.layout import Location, history_of, packages_of
from modelops.worker.checkpoints import session
from modelops.worker.checkpoints.background import BackgroundSync
from modelops.worker.checkpoints.manifests import RankFolder
from modelops.worker.checkpoints.pinned import SavedCheckpoints, pinned_checkpoints
from modelops.worker.checkpoints.sync import CheckpointSync, TrainerState
from modelops.worker.model.artifact import files_of
from modelops.worker.model.publishing import publish
from modelops.worker.model.run_records import MAX_HISTORY_BYTES, MAX_PACKAGES_BYTES, store_record
from modelops.worker.runtime import paths, reporting
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.graceful_stop import GracefulStop, Terminated
from modelops.worker.runtime.retry import retry
from modelops.worker.runtime.stores import client_of
from modelops.worker.training import trainer_exit
from modelops.worker.training.metrics import read_metrics
from modelops.worker.training.progress_server import read_new_lines, serve_progress
from modelops.worker.training.rank import own_rank
from modelops.worker.training.tailing import Tail

_LAST_CHECKPOINTS_SECONDS = 300.0
_CLEANUP_SECONDS = 60.0
"""Time for each step after the model is published: none may delay the run's success for long."""
_log = logging.getLogger(__name__)


def run(task: SidecarTask) -> SidecarReport:
    """Accompany the trainer to its end, and publish its model.

    Raises TaskError and Terminated, whose reports have the checkpoints that are saved.
    """
    saved = SavedCheckpoints(lambda newest: reporting.write(SidecarReport(checkpoints=list(newest))))
    try:
        return _accompany(task, saved)
    except (TaskError, Terminated) as end:
        end.report = SidecarReport(checkpoints=saved.newest())
        raise
    finally:
        saved.close()


def _accompany(task: SidecarTask, saved: SavedCheckpoints) -> SidecarReport:
    state = paths.shared() / "state"
    rank = own_rank()
    checkpoints = session.location_of(task.checkpoints)
    connect = partial(client_of, task.store)
    sync = CheckpointSync(
        session.directory(),
        RankFolder(checkpoints, rank),
        connect,
        session.load_restored(),
        pinned=pinned_checkpoints,
        on_saved=saved.add,
    )
    tail = Tail(paths.ml() / "output" / "metrics.jsonl")
    with (
        GracefulStop(task.stop_seconds) as stop,
        serve_progress(tail, saved.newest),
        BackgroundSync(sync) as background,
    ):
        _log.info("waiting for the trainer")
        ended = trainer_exit.wait_for_end(state, stop)
        stopped = stop.requested
        code = trainer_exit.exit_code(state)
        _log.info("the trainer %s", f"ended with {_describe(code)}" if ended else "did not end in time after SIGTERM")
        if stopped or code != 0 or rank > 0:
            complete = ended and not trainer_exit.was_killed(code)
            _save_last_checkpoints(background, TrainerState.ENDED if complete else TrainerState.MAY_WRITE, stop)
        if stopped:
            # Even with exit code 0: a trainer that was stopped early has not finished its model.
            raise Terminated
        trainer_exit.raise_if_failed(code, paths.ml() / "output" / "failure")
        if rank > 0:
            return SidecarReport(checkpoints=saved.newest())
        background.abandon()
        report = _publish(task).model_copy(update={"progress": _last_progress(tail, task.objective)})
        try:
            report = _with_records(report, task)
            _delete_checkpoints(checkpoints, task, background, stop)
        except Terminated:
            _log.info("stopped by SIGTERM after the model was published")
        return report


def _save_last_checkpoints(background: BackgroundSync, trainer: TrainerState, stop: GracefulStop) -> None:
    deadline = time.monotonic() + _LAST_CHECKPOINTS_SECONDS
    background.flush(trainer, lambda: min(deadline - time.monotonic(), stop.left()))


def _publish(task: SidecarTask) -> SidecarReport:
    model = paths.ml() / "model"
    files = files_of(model) if model.is_dir() else []
    if not files:
        raise TaskError("NoModelWritten", "the trainer exited with code 0 but wrote nothing to /opt/ml/model")
    metrics = read_metrics(paths.ml() / "output" / "metrics.json")
    return SidecarReport(artifact=publish(files, task.store, task.publish_timeout_seconds), metrics=metrics)


def _last_progress(tail: Tail, objective: str | None) -> ProgressReport:
    """Return the progress by all lines that the trainer wrote, with the values of one metric as points."""
    read_new_lines(tail)
    report = tail.report()
    points = [
        ProgressPoint(step=point.step, metrics={objective: point.metrics[objective]})
        for point in report.points
        if objective is not None and objective in point.metrics
    ]
    return report.model_copy(update={"points": points})


def _with_records(report: SidecarReport, task: SidecarTask) -> SidecarReport:
    """Store the run's records and add their URIs to the report. A record that cannot be stored is left out."""
    output = paths.ml() / "output"
    records = {}
    for field, name, location, max_bytes in (
        ("history", "metrics.jsonl", history_of, MAX_HISTORY_BYTES),
        ("packages", "packages.txt", packages_of, MAX_PACKAGES_BYTES),
    ):
        try:
            records[field] = store_record(output / name, task.store, location, max_bytes, _CLEANUP_SECONDS)
        except OSError as error:
            _log.warning("%s is not stored: %s", name, error)
    return report.model_copy(update=records)


def _delete_checkpoints(
    checkpoints: Location, task: SidecarTask, background: BackgroundSync, stop: GracefulStop
) -> None:
    """Delete the checkpoints of all ranks. Those that cannot be deleted now cost only space."""
    deadline = time.monotonic() + _CLEANUP_SECONDS
    background.join(lambda: min(deadline - time.monotonic(), stop.left()))
    try:
        client = client_of(task.store)
        count = retry(lambda: session.delete_all(client, checkpoints), seconds=_CLEANUP_SECONDS)
        if count:
            _log.info("deleted %d objects of checkpoints", count)
    except S3Error as problem:
        _log.warning("checkpoints at %s are not deleted: %s", checkpoints.uri, problem.message)


def _describe(code: int | None) -> str:
    return "no exit code" if code is None else f"exit code {code}"
