"""Errors that end a task. The error's type decides the container's exit code."""

from modelops.api.base import Model
from modelops.api.contract.reports import EXIT_FINAL, EXIT_RETRY, Failure
from modelops.store.errors import S3Error

EXIT_DONE = 0


class TaskError(Exception):
    """The task failed. `retry`: a new attempt may succeed. `exit_zero`: the container still exits with 0."""

    def __init__(
        self, reason: str, message: str, *, retry: bool = False, exit_zero: bool = False, report: Model | None = None
    ) -> None:
        super().__init__(message)
        self.failure = Failure(reason=reason, message=message)
        self.exit_code = EXIT_DONE if exit_zero else EXIT_RETRY if retry else EXIT_FINAL
        self.report = report
        """Results so far, if they are to be reported together with the failure."""


def task_error_of(problem: S3Error) -> TaskError:
    """Return the TaskError for an S3Error that outlasted all retries. Only a transient one is worth a new attempt."""
    return TaskError(problem.reason, problem.message, retry=problem.transient)
