"""Every error of S3 becomes a reason, a message and a decision on retries."""

from pathlib import Path

import pytest
from botocore import exceptions as boto  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from modelops.api.contract.tasks import S3Place
from modelops.store.credentials import from_secret, read_mounted
from modelops.store.errors import S3Error, s3_error
from modelops.store.layout import location_below, parse


def answer(code: str, status: int = 400) -> Exception:
    error: Exception = boto.ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(answer("NoSuchBucket", 404), "NoSuchBucket", id="a bucket that does not exist"),
        pytest.param(answer("AccessDenied", 403), "AccessDenied", id="access denied"),
        pytest.param(answer("403", 403), "AccessDenied", id="access denied without a code, as HEAD answers"),
        pytest.param(answer("InvalidAccessKeyId", 403), "InvalidCredentials", id="an unknown access key"),
        pytest.param(answer("SignatureDoesNotMatch", 403), "InvalidCredentials", id="a wrong secret key"),
        pytest.param(answer("ExpiredToken"), "InvalidCredentials", id="an expired token"),
        pytest.param(boto.NoCredentialsError(), "InvalidCredentials", id="no credentials"),
        pytest.param(answer("PermanentRedirect", 301), "WrongRegion", id="a bucket in another region"),
        pytest.param(answer("RequestTimeTooSkewed", 403), "ClockSkewed", id="a node whose clock is wrong"),
        pytest.param(answer("InvalidArgument", 400), "S3Error", id="a code without a reason of its own"),
        pytest.param(answer("PreconditionFailed", 412), "PreconditionFailed", id="another object than expected"),
        pytest.param(boto.FlexibleChecksumError(error_msg="crc32"), "ObjectMismatch", id="a wrong checksum"),
        pytest.param(
            boto.SSLError(endpoint_url="https://x", error="self-signed"),
            "EndpointUnreachable",
            id="a TLS certificate that is not accepted",
        ),
        pytest.param(ResponseParserError("no XML"), "EndpointNotS3", id="a service that is not S3"),
    ],
)
def test_an_error_that_a_person_must_fix_is_not_retried(error: Exception, reason: str) -> None:
    """The operator stalls with the reason, and the worker fails the Job without waiting."""
    translated = s3_error(error, "http://s3:8333", "ml")
    assert (translated.reason, translated.transient) == (reason, False)
    assert 'bucket "ml" at http://s3:8333: ' in translated.message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(answer("SlowDown", 503), "SlowDown", id="too many requests"),
        pytest.param(answer("InternalError", 500), "ServerError", id="an internal error"),
        pytest.param(answer("Whatever", 502), "ServerError", id="an unknown code with a status of 5xx"),
        pytest.param(boto.EndpointConnectionError(endpoint_url="http://x"), "EndpointUnreachable", id="no connection"),
        pytest.param(boto.ConnectTimeoutError(endpoint_url="http://x"), "EndpointUnreachable", id="a slow connection"),
        pytest.param(boto.ReadTimeoutError(endpoint_url="http://x"), "EndpointUnreachable", id="a slow response"),
        pytest.param(boto.ConnectionClosedError(endpoint_url="http://x"), "EndpointUnreachable", id="a closed one"),
        pytest.param(
            boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), "EndpointUnreachable", id="an incomplete body"
        ),
        pytest.param(ConnectionResetError(), "EndpointUnreachable", id="a reset connection"),
    ],
)
def test_an_error_that_may_pass_is_retried(error: Exception, reason: str) -> None:
    """The operator and the worker wait for an outage to end."""
    translated = s3_error(error, "http://s3:8333", "ml")
    assert (translated.reason, translated.transient) == (reason, True)
    assert 'bucket "ml" at http://s3:8333: ' in translated.message


@pytest.mark.parametrize(
    ("code", "reason_of_an_unpinned_object"),
    [("NoSuchKey", "NoSuchKey"), ("NoSuchVersion", "NoSuchKey"), ("404", "NoSuchKey"), ("412", "PreconditionFailed")],
)
def test_a_missing_pinned_version_has_its_own_reason(code: str, reason_of_an_unpinned_object: str) -> None:
    """A pinned version that was deleted is not a typing error: only a new snapshot helps."""
    assert s3_error(answer(code), "e", "b", "k", pinned=True).reason == "PinnedVersionMissing"
    assert s3_error(answer(code), "e", "b", "k").reason == reason_of_an_unpinned_object


def test_an_unknown_error_is_reported_with_the_services_text() -> None:
    """A person can act on an unforeseen error, such as that of an object under a customer's key."""
    error = boto.ClientError({"Error": {"Code": "InvalidRequest", "Message": "needs a key"}}, "GetObject")
    assert "(GetObject: InvalidRequest: needs a key)" in s3_error(error, "e", "b", "k").message


def test_white_space_around_credentials_is_removed(tmp_path: Path) -> None:
    """A line break at the end of a Secret's value, which `echo` adds, does not break signatures."""
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3" / "AWS_ACCESS_KEY_ID").write_text("id\n")
    (tmp_path / "s3" / "AWS_SECRET_ACCESS_KEY").write_text(" secret \n")
    credentials = read_mounted(S3Place(bucket="b", secret_name="s3"), tmp_path)
    assert credentials is not None
    assert credentials.access_key_id == "id"
    assert credentials.secret_access_key == "secret"
    assert credentials.session_token is None
    assert "secret" not in repr(credentials)


def test_a_place_without_a_secret_uses_the_workload_identity(tmp_path: Path) -> None:
    """Without a Secret the SDK finds its own credentials."""
    assert read_mounted(S3Place(bucket="b"), tmp_path) is None


def test_a_missing_key_of_a_secret_is_named() -> None:
    """A person reads which key to add to which Secret."""
    with pytest.raises(S3Error, match='Secret "s3": no key AWS_SECRET_ACCESS_KEY; add the key') as caught:
        from_secret({"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": " "}, "s3")
    assert caught.value.reason == "InvalidCredentials"


@pytest.mark.parametrize("prefix", ["p", "p/", "/p/"])
def test_a_prefix_means_the_same_with_and_without_slashes(prefix: str) -> None:
    """Objects of one store are found however its prefix is written."""
    assert location_below(S3Place(bucket="ml", prefix=prefix), "x").uri == "s3://ml/p/x"


def test_a_store_may_have_no_prefix() -> None:
    """A bucket of its own needs no prefix."""
    assert location_below(S3Place(bucket="ml"), "x").uri == "s3://ml/x"


def test_an_s3_uri_names_a_bucket_and_a_key() -> None:
    """A URI in a status can be read back."""
    assert parse("s3://ml/a/b").uri == "s3://ml/a/b"
    assert parse("s3://ml") == ("ml", "")


@pytest.mark.parametrize("uri", ["http://ml/a", "s3://", "s3:///a", "ml"])
def test_any_other_uri_is_refused(uri: str) -> None:
    """A mistake in a URI is reported, and no other bucket is read."""
    with pytest.raises(ValueError, match="is not an S3 URI"):
        parse(uri)
