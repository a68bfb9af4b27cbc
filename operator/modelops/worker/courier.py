"""courier: wait for the trainer beside it, publish the model it wrote, and report."""

import logging
from time import monotonic

from modelops.api.reports import Artifact, CourierReport
from modelops.api.tasks import CourierTask
from modelops.lineage.digests import ArtifactFile
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Problem
from modelops.store.places import Location, model_of
from modelops.store.writing import put_once
from modelops.worker import paths, trainer
from modelops.worker.artifact import digest_of, files_of
from modelops.worker.metrics import read_metrics
from modelops.worker.outcome import Failed
from modelops.worker.parallel import each
from modelops.worker.patience import patiently
from modelops.worker.stores import client_of

_A_PERSON_CAN_MEND = (Reason.ACCESS_DENIED, Reason.NO_SUCH_BUCKET, Reason.INVALID_CREDENTIALS, Reason.CLOCK_SKEWED)
_UPLOADS = 4
_log = logging.getLogger(__name__)


def run(task: CourierTask) -> CourierReport:
    """Do the task. Raises Failed."""
    state = paths.shared() / "state"
    _log.info("waiting for the trainer")
    trainer.wait_for_end(state)
    code = trainer.exit_code(state)
    _log.info("the trainer ended with %s", "no exit code" if code is None else f"exit code {code}")
    trainer.check_end(code, paths.ml() / "output" / "failure")

    model = paths.ml() / "model"
    files = files_of(model) if model.is_dir() else []
    if not files:
        raise Failed("NoModelWritten", "the trainer exited with code 0 but wrote nothing to /opt/ml/model")
    metrics = read_metrics(paths.ml() / "output" / "metrics.json")
    return CourierReport(artifact=_publish(files, task), metrics=metrics)


def _publish(files: list[ArtifactFile], task: CourierTask) -> Artifact:
    """Training is paid for: everything that could be mended while we wait is waited for."""
    digest = digest_of(files)
    to = model_of(task.store, digest)
    try:
        client = client_of(task.store)
        upload = _Upload(client, to, task.publish_timeout_seconds)
        for file, written in zip(files, each(files, upload, threads=_UPLOADS, ahead=2 * _UPLOADS), strict=True):
            _log.info("%s: %s", file.path, "published" if written else "is there already")
    except S3Problem as problem:
        raise Failed(
            "PublishFailed",
            f"the model could not be published within {task.publish_timeout_seconds:.0f} s: {problem.message}",
            retry=True,
        ) from problem
    return Artifact(uri=to.uri, digest=digest, bytes=sum(file.size for file in files), files=len(files))


class _Upload:
    """Uploads one file after another within one deadline for all of them."""

    def __init__(self, client: S3Client, to: Location, seconds: float) -> None:
        self._client, self._to = client, to
        self._deadline = monotonic() + seconds

    def __call__(self, file: ArtifactFile) -> bool:
        source = paths.ml() / "model" / file.path
        return patiently(
            lambda: put_once(self._client, self._to.bucket, self._to.key + file.path, source),
            seconds=self._deadline - monotonic(),
            worth=lambda problem: problem.transient or problem.reason in _A_PERSON_CAN_MEND,
        )
