"""Publish a model: all of its files below its digest. If that fails, remove the files that were written.

A model is published once every file of it is in S3 with the right bytes, whoever wrote the file: sizes prove nothing.
Other bytes under a name of the model fail the publication, since nothing is overwritten.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from modelops.api.contract.reports import PublishedArtifact
from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import ArtifactFile, PinnedObject
from modelops.store.client import S3Client
from modelops.store.comparing import is_stored
from modelops.store.errors import Reason, S3Error
from modelops.store.layout import model_of
from modelops.store.listing import list_current
from modelops.store.removing import remove
from modelops.store.writing import put_if_absent
from modelops.worker.model.artifact import digest_of, open_file
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.graceful_stop import Terminated
from modelops.worker.runtime.incomplete_uploads import abort_incomplete_uploads
from modelops.worker.runtime.parallel import map_ordered
from modelops.worker.runtime.regular_file import path_of
from modelops.worker.runtime.retry import retry
from modelops.worker.runtime.stores import client_of

_FIXED_BY_A_PERSON = (Reason.ACCESS_DENIED, Reason.NO_SUCH_BUCKET, Reason.INVALID_CREDENTIALS, Reason.CLOCK_SKEWED)
_UPLOAD_THREADS = 4
_CLEANUP_SECONDS = 30.0
_CLEANUP_SECONDS_AFTER_SIGTERM = 1.5
_OTHER_CLEANUP_SECONDS = 3.0
"""Time within which another publisher that failed has removed its files."""
_RELIST_SECONDS = 1.0
"""Age at which a listing is too old to remove files by it. Well below _OTHER_CLEANUP_SECONDS."""
_log = logging.getLogger(__name__)


def publish(files: Sequence[ArtifactFile], store: S3Place, seconds: float) -> PublishedArtifact:
    """Publish the files of /opt/ml/model.

    The training is paid for already: for up to `seconds`, even errors that a person must fix are waited for.
    Raises TaskError(PublishFailed).
    """
    digest = digest_of(list(files))
    location = model_of(store, digest)
    deadline = time.monotonic() + seconds
    try:
        _Publication(files, lambda: client_of(store), location.bucket, location.key, deadline).run()
    except S3Error as problem:
        message = f"the model could not be published within {seconds:.0f} s: {problem.message}"
        raise TaskError("PublishFailed", message, retry=True) from problem
    return PublishedArtifact(uri=location.uri, digest=digest, bytes=sum(file.size for file in files), files=len(files))


class _PublishAbandonedError(Exception):
    """Another file could not be published, so that this one is not needed."""


class _Publication:
    """One attempt to publish a model. Another process may publish or remove the same model at the same time."""

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
        self._client = retry(connect, seconds=deadline - time.monotonic(), retry_if=_may_be_fixed)
        self._bucket = bucket
        self._prefix = prefix
        self._deadline = deadline
        self._written: set[str] = set()
        self._verified: dict[str, PinnedObject] = {}
        self._abandoned = threading.Event()
        self._uploading = 0
        self._lock = threading.Lock()

    def run(self) -> None:
        """Return once every file is in S3, whoever wrote it. Raises S3Error and TaskError."""
        try:
            abort_incomplete_uploads(self._client, self._bucket, self._prefix)
            self._publish()
        except Terminated:
            self._clean_up(_CLEANUP_SECONDS_AFTER_SIGTERM)
            raise
        except BaseException:
            self._clean_up(_CLEANUP_SECONDS)
            raise

    def _publish(self) -> None:
        missing = self._missing()
        shared = bool(missing) and len(missing) < len(self._files)
        while missing:
            results = map_ordered(missing, self._upload, threads=_UPLOAD_THREADS, ahead=8)
            for file, written in zip(missing, results, strict=True):
                _log.info("%s: %s", file.path, "published" if written else "exists already")
                shared = shared or not written
            missing = self._missing()
            if not missing and shared:
                # Another publisher that fails now removes the files that it wrote. A complete model is never removed.
                shared = False
                time.sleep(_OTHER_CLEANUP_SECONDS)
                missing = self._missing()

    def _missing(self) -> list[ArtifactFile]:
        """Return the files that are not in S3 yet. Raises TaskError if there is an object that is not the model's."""
        existing = retry(self._list, seconds=self._deadline - time.monotonic(), retry_if=self._retry_if)
        for path, pinned in existing.items():
            file = self._files.get(path)
            if file is None or file.size != pinned.size:
                raise self._not_the_models(path)
        new = [path for path, pinned in existing.items() if self._verified.get(path) != pinned]
        for path, is_right in zip(new, map_ordered(new, self._is_right, threads=_UPLOAD_THREADS, ahead=8), strict=True):
            if is_right is False:
                raise self._not_the_models(path)
            if is_right:
                self._verified[path] = existing[path]
            else:
                del existing[path]
        return [file for path, file in self._files.items() if path not in existing]

    def _not_the_models(self, path: str) -> TaskError:
        uri = f"s3://{self._bucket}/{self._prefix}{path}"
        return TaskError("PublishFailed", f"{uri} is not the model's, and nothing is overwritten; delete it")

    def _is_right(self, path: str) -> bool | None:
        """Return whether an object has the bytes of its file; None if another publisher has removed the object."""

        def compare() -> bool | None:
            try:
                with open_file(paths.ml() / "model", path) as file:
                    sha256 = self._files[path].sha256
                    return is_stored(self._client, self._bucket, self._prefix + path, path_of(file), sha256)
            except S3Error as problem:
                if problem.reason is Reason.NO_SUCH_KEY:
                    return None
                raise

        return retry(compare, seconds=self._deadline - time.monotonic(), retry_if=self._retry_if)

    def _list(self) -> dict[str, PinnedObject]:
        objects = list_current(self._client, self._bucket, self._prefix).objects
        return {pinned.key.removeprefix(self._prefix): pinned for pinned in objects}

    def _upload(self, file: ArtifactFile) -> bool:
        """Upload a file. Return False if it exists already."""
        with self._lock:
            self._uploading += 1
        try:
            with open_file(paths.ml() / "model", file.path) as content:
                written = retry(
                    lambda: put_if_absent(
                        self._client,
                        self._bucket,
                        self._prefix + file.path,
                        path_of(content),
                        sha256=file.sha256,
                        before_part=self._raise_if_abandoned,
                    ),
                    seconds=self._deadline - time.monotonic(),
                    retry_if=self._retry_if,
                )
            if written:
                self._written.add(file.path)
            return written
        finally:
            with self._lock:
                self._uploading -= 1

    def _retry_if(self, problem: S3Error) -> bool:
        """Return True if the request is worth another try, with new credentials where a person may have replaced them.

        A missing key means a missing upload: another publisher has started and aborted it as incomplete.
        """
        if problem.reason in _FIXED_BY_A_PERSON:
            with suppress(S3Error):
                self._client = self._connect()  # Kubernetes updates the mounted Secret.
        return (_may_be_fixed(problem) or problem.reason is Reason.NO_SUCH_KEY) and not self._abandoned.is_set()

    def _raise_if_abandoned(self) -> None:
        if self._abandoned.is_set():
            raise _PublishAbandonedError

    def _clean_up(self, seconds: float) -> None:
        """Remove the written files, in a thread, so that an unreachable store does not delay the report."""
        self._abandoned.set()
        deadline = time.monotonic() + seconds
        thread = threading.Thread(target=self._remove_written, args=(deadline,), name="cleanup", daemon=True)
        thread.start()
        thread.join(seconds)

    def _remove_written(self, deadline: float) -> None:
        """Remove at once, and again when the running uploads have ended, for which there may be no time left."""
        running = self._uploading > 0
        self._remove_existing()
        while self._uploading and time.monotonic() < deadline:
            time.sleep(0.05)
        if running:
            self._remove_existing()

    def _remove_existing(self) -> None:
        try:
            while self._remove_some():
                pass
        except S3Error as problem:
            _log.info("files of the incomplete model are not removed: %s", problem.message)
        abort_incomplete_uploads(self._client, self._bucket, self._prefix)

    def _remove_some(self) -> bool:
        """Remove at least one written file, unless the model is complete. Return True if there are more.

        Further files are removed only while the listing is recent: meanwhile another publisher may complete the model.
        """
        listed = time.monotonic()
        existing = self._list()
        if self._files.keys() <= existing.keys():
            return False
        for number, path in enumerate(sorted(self._written & existing.keys())):
            if number and time.monotonic() - listed > _RELIST_SECONDS:
                return True
            remove(self._client, self._bucket, existing[path])
            _log.info("%s: removed, since the model is incomplete", path)
        return False


def _may_be_fixed(problem: S3Error) -> bool:
    return problem.transient or problem.reason in _FIXED_BY_A_PERSON
