"""`python -m modelops.server`: load one model and answer for it until told to end."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from modelops.server import threads
from modelops.server.files import ModelLoadError

EXIT_UNUSABLE = 2
_MOST_BYTES = 64 << 20
_VARIABLE = "MODELOPS_MAX_BODY_BYTES"
FORMATS = ("sklearn", "xgboost", "lightgbm", "onnx")


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m modelops.server", allow_abbrev=False)
    parser.add_argument("--model-dir", required=True, type=Path, help="where the model's files are")
    parser.add_argument("--model-name", required=True, help="the name that requests ask for")
    parser.add_argument("--model-version", required=True, help="the version that answers name")
    parser.add_argument("--format", required=True, choices=FORMATS, help="how the model is written")
    parser.add_argument("--http-port", type=_port, default=8081)
    parser.add_argument("--grpc-port", type=_port, help="serve gRPC as well; absent: HTTP only")
    parser.add_argument(
        "--grpc-max-bytes",
        type=_positive,
        default=os.environ.get(_VARIABLE, _MOST_BYTES),
        help=f"the longest message over gRPC; ${_VARIABLE} or 64 MiB by default",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; only the Pod's proxy needs to reach it")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Load, then serve. A model that cannot be served is told in one sentence, with exit code 2."""
    given = arguments(words)
    threads.limit(os.environ)
    sys.argv = sys.argv[:1]  # kserve reads the command line when it is imported
    # Only now: numeric libraries decide about threads when they are loaded.
    from modelops.server import serving
    from modelops.server.formats import load

    try:
        predictor = load(given.format, given.model_dir)
    except ModelLoadError as problem:
        print(f"modelops.server: {problem}", file=sys.stderr, flush=True)
        return EXIT_UNUSABLE
    where = serving.Listening(given.host, given.http_port, given.grpc_port, given.grpc_max_bytes)
    return serving.run(predictor, given.model_name, given.model_version, where)


def _port(text: str) -> int:
    port = _positive(text)
    if port > 65535:
        raise ValueError(text)
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
