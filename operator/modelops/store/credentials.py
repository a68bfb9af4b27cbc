"""Access keys, from the files that Kubernetes mounts for a Secret, or from the Secret's own data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelops.api.contract.tasks import CREDENTIALS_DIR, S3Place
from modelops.store.errors import Reason, S3Error

_KEY_ID = "AWS_ACCESS_KEY_ID"
_SECRET = "AWS_SECRET_ACCESS_KEY"
_TOKEN = "AWS_SESSION_TOKEN"


@dataclass(frozen=True)
class Credentials:
    """Keys that sign a request. The text form shows no secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def read_mounted(place: S3Place, directory: Path = Path(CREDENTIALS_DIR)) -> Credentials | None:
    """Return the credentials of a place's Secret, mounted below `directory`; None for a place without a Secret.

    Raises S3Error(InvalidCredentials) that names the missing key.
    """
    if place.secret_name is None:
        return None
    files = {name: directory / place.secret_name / name for name in (_KEY_ID, _SECRET, _TOKEN)}
    return from_secret(
        {name: file.read_text(errors="replace") for name, file in files.items() if file.is_file()}, place.secret_name
    )


def from_secret(data: Mapping[str, str], secret_name: str) -> Credentials:
    """Return the credentials in a Secret's decoded data, without surrounding white space.

    Raises S3Error(InvalidCredentials) that names the missing key.
    """
    values = {name: data.get(name, "").strip() for name in (_KEY_ID, _SECRET, _TOKEN)}
    for name in (_KEY_ID, _SECRET):
        if not values[name]:
            raise S3Error(
                Reason.INVALID_CREDENTIALS, f'Secret "{secret_name}": no key {name}; add the key', transient=False
            )
    return Credentials(values[_KEY_ID], values[_SECRET], values[_TOKEN] or None)
