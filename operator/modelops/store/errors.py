"""One exception for every error of S3: its reason, a message with the remedy, and whether a retry can help."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, NamedTuple

from botocore import exceptions as boto  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

_CODES: dict[str, "Reason"] = {}


class Reason(StrEnum):
    """Reason for which a request failed."""

    NO_SUCH_BUCKET = "NoSuchBucket"
    NO_SUCH_KEY = "NoSuchKey"
    PINNED_VERSION_MISSING = "PinnedVersionMissing"
    ACCESS_DENIED = "AccessDenied"
    INVALID_CREDENTIALS = "InvalidCredentials"
    WRONG_REGION = "WrongRegion"
    CLOCK_SKEWED = "ClockSkewed"
    ENDPOINT_UNREACHABLE = "EndpointUnreachable"
    NOT_S3 = "EndpointNotS3"
    INVALID_ENDPOINT = "InvalidEndpoint"
    SLOW_DOWN = "SlowDown"
    SERVER_ERROR = "ServerError"
    OBJECT_MISMATCH = "ObjectMismatch"
    PRECONDITION_FAILED = "PreconditionFailed"
    UNEXPECTED = "S3Error"


class S3Error(Exception):
    """A request failed. `transient`: the same request may succeed later without any change.

    `answered`: an S3 service answered it, with an error of S3.
    """

    def __init__(self, reason: Reason, message: str, *, transient: bool, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered
        self.reason = reason
        self.message = message
        self.transient = transient


class _Kind(NamedTuple):
    reason: Reason
    message: str
    """State and remedy, after "bucket … at …: "."""
    transient: bool = False


_BY_REASON = {
    Reason.NO_SUCH_BUCKET: _Kind(Reason.NO_SUCH_BUCKET, "not found; create the bucket or correct the name"),
    Reason.NO_SUCH_KEY: _Kind(Reason.NO_SUCH_KEY, "not found"),
    Reason.ACCESS_DENIED: _Kind(Reason.ACCESS_DENIED, "access denied; allow these credentials to make the request"),
    Reason.INVALID_CREDENTIALS: _Kind(
        Reason.INVALID_CREDENTIALS,
        "credentials missing or not accepted; correct the Secret or the workload identity",
    ),
    Reason.WRONG_REGION: _Kind(Reason.WRONG_REGION, "the bucket is in another region; set the region of the bucket"),
    Reason.CLOCK_SKEWED: _Kind(Reason.CLOCK_SKEWED, "the clocks differ too much; set the clock of the node"),
    Reason.PRECONDITION_FAILED: _Kind(Reason.PRECONDITION_FAILED, "not the expected object"),
    Reason.SLOW_DOWN: _Kind(Reason.SLOW_DOWN, "too many requests for the service; trying again", transient=True),
    Reason.SERVER_ERROR: _Kind(Reason.SERVER_ERROR, "the service failed; trying again", transient=True),
}

_REASONS = {
    Reason.NO_SUCH_BUCKET: ("NoSuchBucket",),
    Reason.NO_SUCH_KEY: ("NoSuchKey", "NoSuchVersion", "404", "NotFound", "NoSuchUpload"),
    Reason.ACCESS_DENIED: (
        "AccessDenied",
        "403",
        "Forbidden",
        "AllAccessDisabled",
        "AccountProblem",
        "MethodNotAllowed",
    ),
    Reason.INVALID_CREDENTIALS: (
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "InvalidIdentityToken",
        "TokenRefreshRequired",
        "InvalidClientTokenId",
        "CredentialsNotSupported",
        "401",
    ),
    Reason.WRONG_REGION: (
        "PermanentRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "301",
    ),
    Reason.CLOCK_SKEWED: ("RequestTimeTooSkewed",),
    Reason.PRECONDITION_FAILED: ("PreconditionFailed", "412"),
    Reason.SLOW_DOWN: (
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequests",
        "TooManyRequestsException",
        "429",
    ),
    Reason.SERVER_ERROR: (
        "InternalError",
        "ServiceUnavailable",
        "RequestTimeout",
        "OperationAborted",
        "ConditionalRequestConflict",
        "BadDigest",
    ),
}
_CODES.update({code: reason for reason, codes in _REASONS.items() for code in codes})

_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.UnauthorizedSSOTokenError,
    boto.TokenRetrievalError,
)
_NO_CONNECTION = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, boto.ResponseStreamingError)


@contextmanager
def translate_errors(client: Any, bucket: str, key: str | None = None, *, pinned: bool = False) -> Iterator[None]:
    """Translate every exception of boto3 inside the context to an S3Error that names bucket, endpoint and `key`.

    `pinned`: the request names one version of `key`, so that a missing object is PinnedVersionMissing.
    """
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError) as error:
        raise s3_error(error, client.meta.endpoint_url, bucket, key, pinned=pinned) from error
    except (OSError, ValueError) as error:
        # While a body is read, errors of the connection are not wrapped. Errors of the disk are not S3's.
        if type(error).__module__.split(".")[0] not in ("urllib3", "socket", "ssl") and not isinstance(
            error, ConnectionError | TimeoutError
        ):
            raise
        raise s3_error(error, client.meta.endpoint_url, bucket, key, pinned=pinned) from error


def s3_error(error: Exception, endpoint: str, bucket: str, key: str | None = None, *, pinned: bool = False) -> S3Error:
    """Return the S3Error for an exception of boto3."""
    kind = _kind(error)
    if kind.reason in (Reason.NO_SUCH_KEY, Reason.PRECONDITION_FAILED) and pinned:
        kind = _Kind(
            Reason.PINNED_VERSION_MISSING, "the pinned version no longer exists; take a new snapshot of the data"
        )
    elif kind.reason is Reason.NO_SUCH_KEY and key is None:
        kind = _BY_REASON[Reason.NO_SUCH_BUCKET]
    where = f'bucket "{bucket}" at {endpoint}' + (f', object "{key}"' if key is not None else "")
    message = f"{where}: {kind.message}{_detail(error)}"
    return S3Error(kind.reason, message, transient=kind.transient, answered=_is_of_s3(error))


def _is_of_s3(error: Exception) -> bool:
    """Return whether the answer has a code of S3. For an answer without one the SDK takes the HTTP status as code."""
    return isinstance(error, boto.ClientError) and not str(error.response.get("Error", {}).get("Code", "")).isdigit()


def _kind(error: Exception) -> _Kind:
    if isinstance(error, boto.ClientError):
        return _kind_of_answer(error)
    if isinstance(error, _NO_CREDENTIALS):
        return _BY_REASON[Reason.INVALID_CREDENTIALS]
    if isinstance(error, ResponseParserError):
        return _Kind(Reason.NOT_S3, "not an S3 service; correct the endpoint")
    if isinstance(error, boto.FlexibleChecksumError):
        return _Kind(Reason.OBJECT_MISMATCH, "the bytes do not match the stored checksum")
    if isinstance(error, boto.SSLError):
        return _Kind(
            Reason.ENDPOINT_UNREACHABLE, "TLS certificate not accepted; correct the certificate or the endpoint"
        )
    if isinstance(error, _NO_CONNECTION) or not isinstance(error, boto.BotoCoreError):
        return _Kind(
            Reason.ENDPOINT_UNREACHABLE,
            "endpoint not reachable; check name, port and network",
            transient=True,
        )
    return _Kind(Reason.UNEXPECTED, "the request cannot be sent")


def _kind_of_answer(error: Any) -> _Kind:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _CODES:
        return _BY_REASON[_CODES[code]]
    if status >= 500:
        return _BY_REASON[Reason.SERVER_ERROR]
    return _Kind(Reason.UNEXPECTED, "the request was refused")


def _detail(error: Exception) -> str:
    """Return the service's own error code and text, in parentheses."""
    if isinstance(error, boto.ClientError):
        details = error.response.get("Error", {})
        text = f": {details.get('Message', '')[:200]}" if _kind(error).reason is Reason.UNEXPECTED else ""
        return f" ({error.operation_name}: {details.get('Code', '')}{text})"
    if isinstance(error, boto.SSLError) or _kind(error).reason is Reason.UNEXPECTED:
        return f" ({str(error)[:200]})"
    return f" ({type(error).__name__})"
