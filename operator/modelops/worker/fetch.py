"""fetch: fill /opt/ml/input with the pinned data, and install the supervisor, before the trainer starts."""

from functools import partial

from modelops.api.contract.reports import FetchReport
from modelops.api.contract.tasks import FetchTask
from modelops.worker import checkpoints, paths, sagemaker
from modelops.worker.channel import fill
from modelops.worker.installing import install
from modelops.worker.rank import own_rank
from modelops.worker.restoring import restore
from modelops.worker.stores import client_of


def run(task: FetchTask) -> FetchReport:
    """Do the task. Raises Failed and S3Problem."""
    install(("tini", "busybox"), ("supervise.sh",))
    channels = [dataset.name for dataset in task.datasets]
    config = sagemaker.config_files(task.hyperparameters, channels, task.content_type, task.hosts, own_rank())
    sagemaker.write(paths.ml(), config)
    objects = size = 0
    for dataset in task.datasets:
        brought = fill(dataset, task.store)
        objects, size = objects + brought.objects, size + brought.bytes
    place = checkpoints.place_of(task.checkpoints)
    checkpoints.remember(restore(partial(client_of, task.store), place, checkpoints.directory()))
    return FetchReport(objects=objects, bytes=size)
