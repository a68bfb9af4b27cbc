"""S3 clients for the places that a task names, with the credentials that are mounted for them."""

import os
from pathlib import Path

from modelops.api.contract.tasks import CREDENTIALS_DIR, S3Place
from modelops.store.client import S3Client, make_client
from modelops.store.credentials import read_mounted

CREDENTIALS_VARIABLE = "MODELOPS_CREDENTIALS_DIR"


def client_of(place: S3Place) -> S3Client:
    """Return a client for a place. Raises S3Error(InvalidCredentials) if its Secret lacks a key."""
    return make_client(place, read_mounted(place, Path(os.environ.get(CREDENTIALS_VARIABLE, CREDENTIALS_DIR))))
