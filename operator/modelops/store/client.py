"""An S3 client for a place."""

import threading
from functools import cache
from typing import Any

import boto3  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from modelops.api.contract.tasks import S3Place
from modelops.store.credentials import Credentials
from modelops.store.errors import Reason, S3Error

S3Client = Any
"""boto3 makes its clients' classes at run time: there is no type to name. A client may be used by several threads."""

CONNECT_SECONDS = 5
READ_SECONDS = 30
_lock = threading.Lock()


def make_client(place: S3Place, credentials: Credentials | None = None, *, attempts: int = 3) -> S3Client:
    """A client for a place's endpoint and region; without `credentials` it finds its own, such as a workload identity.

    A request takes at most `attempts` tries of CONNECT_SECONDS and READ_SECONDS each. Makes no request itself.
    Raises S3Error(InvalidEndpoint).
    """
    keys = {}
    if credentials is not None:
        keys = {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }
    try:
        with _lock:  # Sessions, unlike clients, are not safe to share.
            return _session().client(
                "s3",
                endpoint_url=place.endpoint,
                # Any region signs for a service that has none; without an endpoint the SDK's own chain finds it.
                region_name=place.region or ("us-east-1" if place.endpoint else None),
                config=_config(bool(place.endpoint), attempts),
                **keys,
            )
    except ValueError as error:
        raise S3Error(
            Reason.INVALID_ENDPOINT, f"{place.endpoint!r} is no URL of an S3 service; correct it", transient=False
        ) from error


@cache
def _session() -> Any:
    """One session, since each would load and keep the S3 API's model (tens of megabytes) for itself."""
    session = botocore.session.get_session()
    # Times stay text: turning each object's into a datetime takes half of a listing's CPU.
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_as_written)
    return boto3.session.Session(botocore_session=session)


def _as_written(value: Any) -> Any:
    return value


def _config(has_endpoint: bool, attempts: int) -> Any:
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if has_endpoint else "auto"},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=16,
        tcp_keepalive=True,
        # The SDK's default, CRC64NVME, is AWS's alone; what we write carries Content-MD5, which every service checks.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="modelops",
    )
