"""Command `fetch`: fill /opt/ml/input with the pinned data, and install the supervisor, before the trainer starts."""

from functools import partial

from modelops.api.contract.reports import FetchReport
from modelops.api.contract.tasks import FetchTask
from modelops.worker.checkpoints import session
from modelops.worker.checkpoints.pinned import pinned_checkpoints
from modelops.worker.checkpoints.restore import restore
from modelops.worker.datasets.channel import fill_channel
from modelops.worker.runtime import paths
from modelops.worker.runtime.installing import install
from modelops.worker.runtime.stores import client_of
from modelops.worker.training import sagemaker
from modelops.worker.training.rank import own_rank


def run(task: FetchTask) -> FetchReport:
    """Download the datasets, write SageMaker's configuration files, and restore checkpoints.

    Raises:
        TaskError: the data is not the pinned data, or cannot be stored.
        S3Error: the source or the store does not answer, or refuses.
    """
    install(("tini", "busybox"), ("supervise.sh",))
    channels = [dataset.name for dataset in task.datasets]
    config = sagemaker.config_files(task.hyperparameters, channels, task.content_type, task.hosts, own_rank())
    sagemaker.write(paths.ml(), config)
    objects = size = 0
    for dataset in task.datasets:
        channel = fill_channel(dataset, task.store)
        objects, size = objects + channel.objects, size + channel.bytes
    location = session.location_of(task.checkpoints)
    session.save_restored(restore(partial(client_of, task.store), location, session.directory(), pinned_checkpoints()))
    return FetchReport(objects=objects, bytes=size)
