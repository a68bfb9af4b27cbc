"""Entry point of the operator: `python -m modelops`."""

import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import uvloop

from modelops import __version__
from modelops.controllers import dataset, inferenceservice, modelversion, trainingrun
from modelops.machinery.election import LeadershipLostError
from modelops.machinery.kube import Kube
from modelops.machinery.runtime import Runtime
from modelops.machinery.settings import Settings, SettingsError, load

SETTINGS_VARIABLE = "MODELOPS_SETTINGS"
_CLIENT_LIBRARIES = ("aiohttp", "boto3", "botocore", "kubernetes", "urllib3")
"""Libraries whose debug logs have the headers and bodies of requests: signatures, tokens, and the data of Secrets."""
_DEFAULT_SETTINGS = "/etc/modelops/settings.yaml"


async def run(settings: Settings) -> None:
    """Run the operator until a signal arrives. Raises LeadershipLostError."""
    kube = await Kube.connect()
    controllers = (
        dataset.controller(),
        trainingrun.controller(),
        modelversion.controller(),
        inferenceservice.controller(),
    )
    try:
        await Runtime(settings, kube, controllers).run()
    finally:
        await kube.close()


def set_up_logging(level: str) -> None:
    """Log at a level, but nothing of the libraries that would log secrets."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    for name in _CLIENT_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))


def main(arguments: Sequence[str]) -> int:
    """Run the operator and return the exit code: 0 after a signal, 1 if the Lease was lost, 2 for invalid settings."""
    parser = ArgumentParser(prog="modelops", description=f"The operator. Its settings are in ${SETTINGS_VARIABLE}.")
    parser.add_argument("--version", action="version", version=f"modelops {__version__}")
    parser.parse_args(arguments)
    try:
        settings = load(Path(os.environ.get(SETTINGS_VARIABLE, _DEFAULT_SETTINGS)))
    except SettingsError as error:
        print(f"modelops: {error}", file=sys.stderr)
        return 2
    set_up_logging(settings.log_level)
    try:
        uvloop.run(run(settings))
    except LeadershipLostError as error:
        logging.getLogger("modelops").warning("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
