"""Publish a model: all of its files below its digest, or, where that fails, nothing that was not there before."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from modelops.api.contract.reports import PublishedArtifact
from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import ArtifactFile, PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error
from modelops.store.layout import model_of
from modelops.store.listing import list_current
from modelops.store.removing import remove
from modelops.store.writing import put_if_absent
from modelops.worker.model.artifact import digest_of
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.graceful_stop import Terminated
from modelops.worker.runtime.incomplete_uploads import give_up_uploads
from modelops.worker.runtime.parallel import each
from modelops.worker.runtime.retry import patiently
from modelops.worker.runtime.stores import client_of

_A_PERSON_CAN_MEND = (Reason.ACCESS_DENIED, Reason.NO_SUCH_BUCKET, Reason.INVALID_CREDENTIALS, Reason.CLOCK_SKEWED)
_UPLOADS = 4
_CLEANING_SECONDS = 30.0
_HASTY_CLEANING_SECONDS = 1.5
_OTHERS_CLEAN_WITHIN_SECONDS = 3.0
_LISTED_AGAIN_SECONDS = 1.0
"""Well within that: what is removed was seen not to be complete so long ago at most."""
_log = logging.getLogger(__name__)


def publish(files: Sequence[ArtifactFile], store: S3Place, seconds: float) -> PublishedArtifact:
    """Publish the files of /opt/ml/model. Training is paid for: what could be mended in `seconds` is waited for.

    Raises TaskError(PublishFailed).
    """
    digest = digest_of(list(files))
    to = model_of(store, digest)
    try:
        _Publication(files, lambda: client_of(store), to.bucket, to.key, time.monotonic() + seconds).run()
    except S3Error as problem:
        message = f"the model could not be published within {seconds:.0f} s: {problem.message}"
        raise TaskError("PublishFailed", message, retry=True) from problem
    return PublishedArtifact(uri=to.uri, digest=digest, bytes=sum(file.size for file in files), files=len(files))


class _PublishAbandonedError(Exception):
    """Another file could not be published, so this one need not be."""


class _Publication:
    """One try to publish an artifact. Another process may publish, or clean up after, the same one at the same time."""

    def __init__(
        self,
        files: Sequence[ArtifactFile],
        connect: Callable[[], S3Client],
        bucket: str,
        prefix: str,
        deadline: float,
    ) -> None:
        self._files = {file.path: file for file in files}
        self._connect = connect
        self._client = patiently(connect, seconds=deadline - time.monotonic(), worth=_mendable)
        self._bucket = bucket
        self._prefix = prefix
        self._deadline = deadline
        self._written: set[str] = set()
        self._over = threading.Event()
        self._uploading = 0
        self._lock = threading.Lock()

    def run(self) -> None:
        """Until every file is there, by whomever. Raises S3Error and TaskError."""
        try:
            give_up_uploads(self._client, self._bucket, self._prefix)
            self._publish()
        except Terminated:
            self._clean_up(_HASTY_CLEANING_SECONDS)
            raise
        except BaseException:
            self._clean_up(_CLEANING_SECONDS)
            raise

    def _publish(self) -> None:
        missing = self._missing()
        shared = bool(missing) and len(missing) < len(self._files)
        while missing:
            for file, written in zip(missing, each(missing, self._upload, threads=_UPLOADS, ahead=8), strict=True):
                _log.info("%s: %s", file.path, "published" if written else "is there already")
                shared = shared or not written
            missing = self._missing()
            if not missing and shared:
                # What another publisher wrote it may remove, should it fail now; nobody removes what is complete.
                shared = False
                time.sleep(_OTHERS_CLEAN_WITHIN_SECONDS)
                missing = self._missing()

    def _missing(self) -> list[ArtifactFile]:
        """What is not there yet. Raises TaskError where something is there that does not belong there."""
        there = patiently(self._there, seconds=self._deadline - time.monotonic(), worth=self._worth_waiting)
        for path, one in there.items():
            file = self._files.get(path)
            if file is None or file.size != one.size:
                where = f"s3://{self._bucket}/{one.key}"
                raise TaskError("PublishFailed", f"{where} is not the model's, and nothing is overwritten; delete it")
        return [file for path, file in self._files.items() if path not in there]

    def _there(self) -> dict[str, PinnedObject]:
        objects = list_current(self._client, self._bucket, self._prefix).objects
        return {one.key.removeprefix(self._prefix): one for one in objects}

    def _upload(self, file: ArtifactFile) -> bool:
        with self._lock:
            self._uploading += 1
        try:
            written = patiently(
                lambda: put_if_absent(
                    self._client,
                    self._bucket,
                    self._prefix + file.path,
                    paths.ml() / "model" / file.path,
                    sha256=file.sha256,
                    before_part=self._unless_over,
                ),
                seconds=self._deadline - time.monotonic(),
                worth=self._worth_waiting,
            )
            if written:
                self._written.add(file.path)
            return written
        finally:
            with self._lock:
                self._uploading -= 1

    def _worth_waiting(self, problem: S3Error) -> bool:
        """That an upload is gone means that another publisher has begun, and given up what it took for left behind."""
        if problem.reason in _A_PERSON_CAN_MEND:
            with suppress(S3Error):
                self._client = self._connect()  # A Secret that has been mended is mounted anew.
        return (_mendable(problem) or problem.reason is Reason.NO_SUCH_KEY) and not self._over.is_set()

    def _unless_over(self) -> None:
        if self._over.is_set():
            raise _PublishAbandonedError

    def _clean_up(self, seconds: float) -> None:
        """In a thread, since a store that does not answer must not keep the report from being written."""
        self._over.set()
        deadline = time.monotonic() + seconds
        thread = threading.Thread(target=self._remove_own, args=(deadline,), name="cleaning", daemon=True)
        thread.start()
        thread.join(seconds)

    def _remove_own(self, deadline: float) -> None:
        """At once, and again once the uploads under way have ended: there may be no time for both."""
        under_way = self._uploading > 0
        self._remove_what_is_there()
        while self._uploading and time.monotonic() < deadline:
            time.sleep(0.05)
        if under_way:
            self._remove_what_is_there()

    def _remove_what_is_there(self) -> None:
        try:
            while self._remove_some():
                pass
        except S3Error as problem:
            _log.info("what was published of the model stays: %s", problem.message)
        give_up_uploads(self._client, self._bucket, self._prefix)

    def _remove_some(self) -> bool:
        """At least one file, and what more can be removed before it must be looked again whether somebody has completed
        the model. Whether there is more.
        """
        listed = time.monotonic()
        there = self._there()
        if self._files.keys() <= there.keys():
            return False
        for number, path in enumerate(sorted(self._written & there.keys())):
            if number and time.monotonic() - listed > _LISTED_AGAIN_SECONDS:
                return True
            remove(self._client, self._bucket, there[path])
            _log.info("%s: removed, since the model is not complete", path)
        return False


def _mendable(problem: S3Error) -> bool:
    return problem.transient or problem.reason in _A_PERSON_CAN_MEND
