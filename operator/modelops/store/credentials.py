"""Access keys, from the files that Kubernetes mounts for a Secret, or from the Secret's own data."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelops.api.contract.tasks import CREDENTIALS_DIR, S3Place
from modelops.store.errors import Reason, S3Error

_KEY_ID = "AWS_ACCESS_KEY_ID"
_SECRET = "AWS_SECRET_ACCESS_KEY"
_TOKEN = "AWS_SESSION_TOKEN"
_CA_BUNDLE = "AWS_CA_BUNDLE"


@dataclass(frozen=True)
class Credentials:
    """Keys that sign a request, and whom to trust with it. The text form shows no secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    ca_bundle: str | None = field(default=None, repr=False)
    """Certificates, as PEM, of the authorities that sign the service's certificate. None: the public ones."""
    ca_file: Path | None = None
    """File with these certificates, if the Secret is mounted."""


def read_mounted(place: S3Place, directory: Path = Path(CREDENTIALS_DIR)) -> Credentials | None:
    """Return the credentials of a place's Secret, mounted below `directory`; None for a place without a Secret.

    Raises S3Error(InvalidCredentials) that names the missing key.
    """
    if place.secret_name is None:
        return None
    files = {name: directory / place.secret_name / name for name in (_KEY_ID, _SECRET, _TOKEN, _CA_BUNDLE)}
    credentials = from_secret(
        {name: file.read_text(errors="replace") for name, file in files.items() if file.is_file()}, place.secret_name
    )
    return replace(credentials, ca_file=files[_CA_BUNDLE]) if credentials.ca_bundle is not None else credentials


def from_secret(data: Mapping[str, str], secret_name: str) -> Credentials:
    """Return the credentials in a Secret's decoded data, without surrounding white space.

    Raises S3Error(InvalidCredentials) that names the missing key, or the certificates that cannot be read.
    """
    values = {name: data.get(name, "").strip() for name in (_KEY_ID, _SECRET, _TOKEN, _CA_BUNDLE)}
    for name in (_KEY_ID, _SECRET):
        if not values[name]:
            raise S3Error(
                Reason.INVALID_CREDENTIALS, f'Secret "{secret_name}": no key {name}; add the key', transient=False
            )
    if values[_CA_BUNDLE]:
        _check_certificates(values[_CA_BUNDLE], secret_name)
    return Credentials(values[_KEY_ID], values[_SECRET], values[_TOKEN] or None, values[_CA_BUNDLE] or None)


def _check_certificates(bundle: str, secret_name: str) -> None:
    try:
        ssl.create_default_context(cadata=bundle)
    except (ssl.SSLError, ValueError) as error:
        raise S3Error(
            Reason.INVALID_CREDENTIALS,
            f'Secret "{secret_name}": {_CA_BUNDLE} is not a list of certificates; write them as PEM',
            transient=False,
        ) from error
