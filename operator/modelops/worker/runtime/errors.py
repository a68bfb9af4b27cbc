"""How a task ends when it does not succeed: told by type, so that the exit code follows."""

from modelops.api.base import Model
from modelops.api.contract.reports import EXIT_FINAL, EXIT_RETRY, Failure
from modelops.store.errors import S3Error

EXIT_DONE = 0


class TaskError(Exception):
    """The task cannot be done. `retry`: a new attempt can help. `ends_well`: the container still exits with 0."""

    def __init__(
        self, reason: str, message: str, *, retry: bool = False, exit_zero: bool = False, report: Model | None = None
    ) -> None:
        super().__init__(message)
        self.failure = Failure(reason=reason, message=message)
        self.exit_code = EXIT_DONE if exit_zero else EXIT_RETRY if retry else EXIT_FINAL
        self.report = report
        """What is known so far, where it is worth reporting beside the failure."""


def task_error_of(problem: S3Error) -> TaskError:
    """What an S3 problem means for a task that has waited: only what passes by itself is worth a new attempt."""
    return TaskError(problem.reason, problem.message, retry=problem.transient)
