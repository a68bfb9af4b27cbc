"""`python -m modelops.worker snapshot|fetch|sidecar|fetch-model`: run the task in MODELOPS_TASK, and write a report."""

import errno
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError

from modelops import __version__
from modelops.api.base import Model
from modelops.api.contract.reports import Failure, FetchReport, SidecarReport, SnapshotReport
from modelops.api.contract.tasks import TASK_VARIABLE, FetchModelTask, FetchTask, SidecarTask, SnapshotTask
from modelops.store.errors import S3Error
from modelops.worker.runtime import reporting
from modelops.worker.runtime.errors import EXIT_DONE, TaskError, task_error_of
from modelops.worker.runtime.graceful_stop import Terminated

_log = logging.getLogger("modelops.worker")


class _Command(NamedTuple):
    module: str
    """Imported only when the command runs: a sidecar waits for hours, and should not hold pyarrow in memory."""
    task: type[Model]
    report: type[Model]
    handles_sigterm: bool = False
    """The command uses GracefulStop. SIGTERM is blocked until then, so that an early signal is not lost."""


_COMMANDS = {
    "snapshot": _Command("snapshot", SnapshotTask, SnapshotReport),
    "fetch": _Command("fetch", FetchTask, FetchReport),
    "sidecar": _Command("sidecar", SidecarTask, SidecarReport, handles_sigterm=True),
    "fetch-model": _Command("fetch_model", FetchModelTask, FetchReport),
}


def main(arguments: list[str]) -> int:
    """Run one command, write its report, and return the exit code."""
    if arguments == ["--version"]:
        print(f"modelops.worker {__version__}")
        return 0
    if len(arguments) != 1 or arguments[0] not in _COMMANDS:
        print(f"usage: python -m modelops.worker {'|'.join(_COMMANDS)}|--version", file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    command = _COMMANDS[arguments[0]]
    if command.handles_sigterm:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    else:
        signal.signal(signal.SIGTERM, _terminate)
    report, exit_code = _run(command)
    failure: Failure | None = getattr(report, "failure", None)
    if failure is not None:
        _log.info("%s: %s", failure.reason, failure.message)
    reporting.write(report)
    return exit_code


def _run(command: _Command) -> tuple[Model, int]:
    try:
        run: Callable[[Any], Model] = importlib.import_module(f"modelops.worker.{command.module}").run
        return run(command.task.model_validate_json(os.environ.get(TASK_VARIABLE, ""))), EXIT_DONE
    except TaskError as error:
        return _failed(command, error)
    except S3Error as problem:
        return _failed(command, task_error_of(problem))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _failed(command, TaskError("InvalidTask", f"{TASK_VARIABLE}: {where or 'the document'}: {first['msg']}"))
    except Terminated as end:
        message = "the worker was stopped by SIGTERM before it was done"
        return _failed(command, TaskError("Terminated", message, retry=True, report=end.report))
    except Exception as error:
        traceback.print_exc()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _failed(
                command, TaskError("NoSpace", f"no space is left for {error.filename or 'a file'}", retry=True)
            )
        return _failed(command, TaskError("WorkerError", f"{type(error).__name__}: {error}", retry=True))


def _failed(command: _Command, error: TaskError) -> tuple[Model, int]:
    report = error.report or command.report()
    return report.model_copy(update={"failure": error.failure}), error.exit_code


def _terminate(*_: object) -> NoReturn:
    # A second signal must not interrupt the report.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit, which would wait for downloads that are no longer needed.
    os._exit(status)
