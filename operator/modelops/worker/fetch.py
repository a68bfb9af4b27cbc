"""fetch: fill /opt/ml/input with the pinned data, and install the supervisor, before the trainer starts."""

from functools import partial

from modelops.api.contract.reports import FetchReport
from modelops.api.contract.tasks import FetchTask
from modelops.worker.checkpoints import session
from modelops.worker.checkpoints.restore import restore
from modelops.worker.datasets.channel import fill
from modelops.worker.runtime import paths
from modelops.worker.runtime.installing import install
from modelops.worker.runtime.stores import client_of
from modelops.worker.training import sagemaker
from modelops.worker.training.rank import own_rank


def run(task: FetchTask) -> FetchReport:
    """Do the task. Raises TaskError and S3Error."""
    install(("tini", "busybox"), ("supervise.sh",))
    channels = [dataset.name for dataset in task.datasets]
    config = sagemaker.config_files(task.hyperparameters, channels, task.content_type, task.hosts, own_rank())
    sagemaker.write(paths.ml(), config)
    objects = size = 0
    for dataset in task.datasets:
        brought = fill(dataset, task.store)
        objects, size = objects + brought.objects, size + brought.bytes
    place = session.location_of(task.checkpoints)
    session.save_restored(restore(partial(client_of, task.store), place, session.directory()))
    return FetchReport(objects=objects, bytes=size)
