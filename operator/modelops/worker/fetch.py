"""fetch: fill /opt/ml/input with the pinned data, and install the supervisor, before the trainer starts."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from modelops.api.reports import FetchReport
from modelops.api.tasks import FetchDataset, FetchTask, S3Place
from modelops.lineage.digests import NotAManifest, Pinned
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Problem
from modelops.store.fetching import fetch, fetch_pinned
from modelops.store.places import parse
from modelops.worker import paths, sagemaker
from modelops.worker.installing import install
from modelops.worker.manifests import Manifest, digest_of_file
from modelops.worker.outcome import Failed
from modelops.worker.parallel import each
from modelops.worker.patience import patiently
from modelops.worker.placing import Unplaceable, relative_path
from modelops.worker.stores import client_of

_log = logging.getLogger(__name__)


class _Wanted(NamedTuple):
    pinned: Pinned
    target: Path


def run(task: FetchTask) -> FetchReport:
    """Do the task. Raises Failed and S3Problem."""
    install(("tini", "busybox"), ("supervise.sh",))
    channels = [dataset.name for dataset in task.datasets]
    sagemaker.write(paths.ml(), sagemaker.config_files(task.hyperparameters, channels, task.content_type))
    objects = size = 0
    for dataset in task.datasets:
        count, bytes_ = _fetch_dataset(dataset, task.store)
        objects, size = objects + count, size + bytes_
    return FetchReport(objects=objects, bytes=size)


def _fetch_dataset(dataset: FetchDataset, store: S3Place) -> tuple[int, int]:
    manifest = _manifest(dataset, store)
    root = paths.ml() / "input" / "data" / dataset.name
    root.mkdir(parents=True, exist_ok=True)
    bring = partial(_bring, client_of(dataset.source), dataset.source.bucket)
    objects = size = 0
    for one in each(_wanted(manifest, dataset, root), bring):
        objects, size = objects + 1, size + one
    _log.info("dataset %s: %d objects, %d bytes, %s", dataset.name, objects, size, dataset.digest)
    return objects, size


def _manifest(dataset: FetchDataset, store: S3Place) -> Manifest:
    """The manifest, proven by its digest: whatever it lists is what the run's input key speaks of."""
    location = parse(dataset.manifest)
    file = paths.scratch() / "manifest"
    client = client_of(store)
    try:
        patiently(lambda: fetch(client, location.bucket, location.key, file))
    except S3Problem as problem:
        if problem.reason is not Reason.NO_SUCH_KEY:
            raise
        raise Failed("ManifestMissing", f"{dataset.manifest} is gone; take a new snapshot of the data") from problem
    if digest_of_file(file) != dataset.digest:
        raise Failed(
            "DigestMismatch",
            f"{dataset.manifest} has the digest {digest_of_file(file)}, not {dataset.digest}: it was altered",
        )
    return Manifest(file, dataset.digest, 0, 0)


def _wanted(manifest: Manifest, dataset: FetchDataset, root: Path) -> Iterator[_Wanted]:
    try:
        for pinned in manifest.entries():
            target = root / relative_path(pinned.key, dataset.source.prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            yield _Wanted(pinned, target)
    except Unplaceable as error:
        raise Failed("UnusableKey", f"dataset {dataset.name}: {error}") from error
    except (FileExistsError, NotADirectoryError) as error:
        # S3 can hold `a` and `a/b`; a file system cannot.
        raise Failed(
            "UnusableKey", f'dataset {dataset.name}: "{pinned.key}" is below another object; rename one'
        ) from error
    except NotAManifest as error:
        raise Failed("DigestMismatch", f"{dataset.manifest}: {error}") from error


def _bring(client: S3Client, bucket: str, wanted: _Wanted) -> int:
    try:
        patiently(lambda: fetch_pinned(client, bucket, wanted.pinned, wanted.target))
    except IsADirectoryError as error:
        raise Failed(
            "UnusableKey", f'"{wanted.pinned.key}" is both an object and a prefix of others; rename one'
        ) from error
    return wanted.pinned.size
