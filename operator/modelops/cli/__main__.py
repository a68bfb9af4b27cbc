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
    """The exit code. What goes wrong is one sentence on standard error."""
    given = parser().parse_args(arguments)
    try:
        code: int = given.run(Cluster.connect(given.kubeconfig, given.context, given.namespace), given)
        sys.stdout.flush()
        return code
    except (ClusterError, RequestRefusedError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain once more when it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED


if __name__ == "__main__":
    sys.exit(main())
