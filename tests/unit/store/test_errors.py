"""What S3 says becomes a reason, a sentence and a verdict on trying again."""

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from modelops.api.contract.tasks import S3Place
from modelops.store.credentials import from_secret, mounted
from modelops.store.errors import S3Error, problem
from modelops.store.layout import below, parse


def answered(code: str, status: int = 400) -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "reason", "transient"),
    [
        (answered("NoSuchBucket", 404), "NoSuchBucket", False),
        (answered("AccessDenied", 403), "AccessDenied", False),
        (answered("403", 403), "AccessDenied", False),
        (answered("InvalidAccessKeyId", 403), "InvalidCredentials", False),
        (answered("SignatureDoesNotMatch", 403), "InvalidCredentials", False),
        (answered("ExpiredToken"), "InvalidCredentials", False),
        (boto.NoCredentialsError(), "InvalidCredentials", False),
        (answered("PermanentRedirect", 301), "WrongRegion", False),
        (answered("RequestTimeTooSkewed", 403), "ClockSkewed", False),
        (answered("SlowDown", 503), "SlowDown", True),
        (answered("InternalError", 500), "ServerError", True),
        (answered("Whatever", 502), "ServerError", True),
        (answered("InvalidArgument", 400), "S3Error", False),
        (answered("PreconditionFailed", 412), "PreconditionFailed", False),
        (boto.FlexibleChecksumError(error_msg="crc32"), "ObjectMismatch", False),
        (boto.EndpointConnectionError(endpoint_url="http://x"), "EndpointUnreachable", True),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), "EndpointUnreachable", True),
        (boto.ReadTimeoutError(endpoint_url="http://x"), "EndpointUnreachable", True),
        (boto.ConnectionClosedError(endpoint_url="http://x"), "EndpointUnreachable", True),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), "EndpointUnreachable", True),
        (boto.SSLError(endpoint_url="https://x", error="self-signed"), "EndpointUnreachable", False),
        (ResponseParserError("no XML"), "EndpointNotS3", False),
        (ConnectionResetError(), "EndpointUnreachable", True),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_reasons(error, reason, transient):
    """The operator stalls or waits by reason, the worker retries by `transient`: both must be right for every error."""
    found = problem(error, "http://s3:8333", "ml")
    assert (found.reason, found.transient) == (reason, transient)
    assert 'bucket "ml" at http://s3:8333: ' in found.message


@pytest.mark.parametrize(
    ("code", "otherwise"),
    [("NoSuchKey", "NoSuchKey"), ("NoSuchVersion", "NoSuchKey"), ("404", "NoSuchKey"), ("412", "PreconditionFailed")],
)
def test_a_missing_version_is_told_apart(code, otherwise):
    """A pinned version that is gone is not a typing error: nothing but a new snapshot helps."""
    assert problem(answered(code), "e", "b", "k", pinned=True).reason == "PinnedVersionMissing"
    assert problem(answered(code), "e", "b", "k").reason == otherwise


def test_what_is_not_told_apart_is_told_in_the_services_words():
    """A refusal that nobody here has foreseen, such as of an object under a customer's key, can still be acted on."""
    error = boto.ClientError({"Error": {"Code": "InvalidRequest", "Message": "needs a key"}}, "GetObject")
    assert "(GetObject: InvalidRequest: needs a key)" in problem(error, "e", "b", "k").message


def test_credentials_are_stripped(tmp_path):
    """A line break at the end of a Secret's value, which `echo` leaves there, breaks no signature."""
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3" / "AWS_ACCESS_KEY_ID").write_text("id\n")
    (tmp_path / "s3" / "AWS_SECRET_ACCESS_KEY").write_text(" secret \n")
    found = mounted(S3Place(bucket="b", secret_name="s3"), tmp_path)
    assert (found.access_key_id, found.secret_access_key, found.session_token) == ("id", "secret", None)
    assert "secret" not in repr(found)


def test_no_secret_means_workload_identity(tmp_path):
    """Without a Secret the SDK's own chain decides."""
    assert mounted(S3Place(bucket="b"), tmp_path) is None


def test_a_missing_key_is_named():
    """A person reads which key of which Secret to add."""
    with pytest.raises(S3Error, match='"s3" has no key AWS_SECRET_ACCESS_KEY') as caught:
        from_secret({"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": " "}, "s3")
    assert caught.value.reason == "InvalidCredentials"


def test_places():
    """A prefix means the same with and without its slash."""
    assert parse("s3://ml/a/b").uri == "s3://ml/a/b"
    assert parse("s3://ml") == ("ml", "")
    for prefix in ("p", "p/", "/p/"):
        assert below(S3Place(bucket="ml", prefix=prefix), "x").uri == "s3://ml/p/x"
    assert below(S3Place(bucket="ml"), "x").uri == "s3://ml/x"
    for wrong in ("http://ml/a", "s3://", "s3:///a", "ml"):
        with pytest.raises(ValueError, match="no S3 URI"):
            parse(wrong)
