"""`python -m modelops.server`: load one model and serve it until terminated."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from modelops import __version__
from modelops.server import threads
from modelops.server.files import ModelLoadError

EXIT_MODEL_NOT_LOADED = 2
_DEFAULT_MAX_BYTES = 64 << 20
_MAX_BYTES_VARIABLE = "MODELOPS_MAX_BODY_BYTES"
_TRUSTED_TYPES_VARIABLE = "MODELOPS_TRUSTED_TYPES"
FORMATS = ("sklearn", "skops", "xgboost", "lightgbm", "onnx")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Exits with code 2 on an error."""
    parser = argparse.ArgumentParser(prog="python -m modelops.server", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"modelops.server {__version__}")
    parser.add_argument("--model-dir", required=True, type=Path, help="directory of the model's files")
    parser.add_argument("--model-name", required=True, help="name of the model in requests")
    parser.add_argument("--model-version", required=True, help="version of the model in responses")
    parser.add_argument("--format", required=True, choices=FORMATS, help="format of the model's files")
    parser.add_argument("--http-port", type=_port, default=8081, help="port of HTTP (default: 8081)")
    parser.add_argument("--grpc-port", type=_port, help="port of gRPC (default: none, HTTP only)")
    parser.add_argument(
        "--grpc-max-bytes",
        type=_positive,
        default=os.environ.get(_MAX_BYTES_VARIABLE, _DEFAULT_MAX_BYTES),
        help=f"greatest size of a gRPC message (default: ${_MAX_BYTES_VARIABLE} or 64 MiB)",
    )
    parser.add_argument(
        "--trusted-types",
        type=_names,
        default=os.environ.get(_TRUSTED_TYPES_VARIABLE, ""),
        help=f"types that a skops file may have besides those of skops (default: ${_TRUSTED_TYPES_VARIABLE})",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; only the Pod's proxy needs to reach it (default: 127.0.0.1)",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Load the model and serve it. A model that cannot be loaded gives one sentence on stderr and exit code 2."""
    options = parse_arguments(argv)
    threads.limit(os.environ)
    sys.argv = sys.argv[:1]  # kserve reads the command line on import
    # Imported here, because numeric libraries read the number of threads on import.
    from modelops.server import serving
    from modelops.server.formats import load

    try:
        predictor = load(options.format, options.model_dir, options.trusted_types)
    except ModelLoadError as error:
        print(f"modelops.server: {error}", file=sys.stderr, flush=True)
        return EXIT_MODEL_NOT_LOADED
    listen = serving.ListenOptions(options.host, options.http_port, options.grpc_port, options.grpc_max_bytes)
    return serving.run(predictor, options.model_name, options.model_version, listen)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


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
