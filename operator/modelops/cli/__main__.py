"""`kubectl modelops`, and `python -m modelops.cli`."""

import os
import sys
from collections.abc import Sequence

from modelops.cli.arguments import FAILED, PROGRAM, parser
from modelops.cli.client import Cluster, ClusterError
from modelops.cli.patches import RequestRefusedError

_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code. An error is one sentence on standard error."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(Cluster.connect(options.kubeconfig, options.context, options.namespace), options)
        sys.stdout.flush()
        return code
    except (ClusterError, RequestRefusedError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe. Without a new target Python would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED


if __name__ == "__main__":
    sys.exit(main())
