"""fetch: fill /opt/ml/input with the pinned data, and install the supervisor, before the trainer starts."""

from modelops.api.reports import FetchReport
from modelops.api.tasks import FetchTask
from modelops.worker import paths, sagemaker
from modelops.worker.channel import fill
from modelops.worker.installing import install


def run(task: FetchTask) -> FetchReport:
    """Do the task. Raises Failed and S3Problem."""
    install(("tini", "busybox"), ("supervise.sh",))
    channels = [dataset.name for dataset in task.datasets]
    sagemaker.write(paths.ml(), sagemaker.config_files(task.hyperparameters, channels, task.content_type))
    objects = size = 0
    for dataset in task.datasets:
        brought = fill(dataset, task.store)
        objects, size = objects + brought.objects, size + brought.bytes
    return FetchReport(objects=objects, bytes=size)
