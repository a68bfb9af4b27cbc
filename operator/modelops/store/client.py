"""S3 client for a place."""

import threading
from functools import cache
from typing import Any

import boto3  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from modelops.api.contract.tasks import S3Place
from modelops.store.bounded_requests import BoundedRequests
from modelops.store.credentials import Credentials
from modelops.store.errors import Reason, S3Error

S3Client = Any
"""boto3 makes the classes of its clients at run time, so they have no importable type. Clients are safe for threads."""

CONNECT_SECONDS = 5
READ_SECONDS = 30
_lock = threading.Lock()


def make_client(
    place: S3Place,
    credentials: Credentials | None = None,
    *,
    attempts: int = 3,
    requests: BoundedRequests | None = None,
) -> S3Client:
    """Return a client for a place's endpoint and region. Makes no request.

    Without `credentials` the SDK finds its own, such as a workload identity. A request takes at most `attempts` tries
    of CONNECT_SECONDS and READ_SECONDS each; all of them belong to `requests` if given. Raises
    S3Error(InvalidEndpoint).
    """
    options: dict[str, Any] = {}
    if credentials is not None:
        options = {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
            "verify": str(credentials.ca_file) if credentials.ca_file is not None else None,
        }
    try:
        with _lock:  # Sessions, unlike clients, are not safe for threads.
            client = _session().client(
                "s3",
                endpoint_url=place.endpoint,
                # A service without regions accepts any region in a signature. Without an endpoint the SDK finds it.
                region_name=place.region or ("us-east-1" if place.endpoint else None),
                config=_config(bool(place.endpoint), attempts),
                **options,
            )
    except ValueError as error:
        raise S3Error(
            Reason.INVALID_ENDPOINT,
            f"endpoint {place.endpoint!r}: not a URL of an S3 service; correct the endpoint",
            transient=False,
        ) from error
    if requests is not None:
        ca_bundle = credentials.ca_bundle if credentials is not None else None
        sender = requests.sender(client.meta.endpoint_url, (CONNECT_SECONDS, READ_SECONDS), ca_bundle)
        client.meta.events.register("before-send.s3", sender)
    return client


@cache
def _session() -> Any:
    """Return the only session: each one would load and keep the model of the S3 API, tens of megabytes."""
    session = botocore.session.get_session()
    # Times stay text: to parse each object's time would take half of a listing's CPU time.
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_unparsed)
    return boto3.session.Session(botocore_session=session)


def _unparsed(value: Any) -> Any:
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
        # CRC64NVME, the SDK's default, works on AWS only. Our writes carry Content-MD5, which every service verifies.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="modelops",
    )
