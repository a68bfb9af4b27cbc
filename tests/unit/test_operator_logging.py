"""The operator's log at each level: a debug log must not carry what opens a store."""

import logging
from collections.abc import Iterator

import pytest

from modelops.__main__ import set_up_logging
from modelops.api.addresses import AddressRules
from modelops.api.contract.tasks import S3Place
from modelops.store.bounded_requests import BoundedRequests
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import S3Error
from modelops.store.listing import probe

LIBRARIES = ("aiohttp", "boto3", "botocore", "kubernetes", "kopf.objects", "urllib3")


@pytest.fixture
def _levels() -> Iterator[None]:
    """Restore the levels of the loggers that a test changes."""
    loggers = [logging.getLogger(name) for name in (None, "modelops", *LIBRARIES)]
    levels = [logger.level for logger in loggers]
    # Tests of the worker set a level of their own.
    logging.getLogger("modelops").setLevel(logging.NOTSET)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("_levels")
def test_a_debug_log_has_no_keys_and_no_signatures(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads the log of the operator, by its debug level too, must not get a user's session token."""
    logging.getLogger().setLevel(logging.DEBUG)
    set_up_logging("DEBUG")
    place = S3Place(bucket="data", endpoint="http://127.0.0.1:9")
    keys = Credentials("the-key-id", "the-secret-key", "the-session-token")
    for requests in (None, BoundedRequests(AddressRules())):
        with pytest.raises(S3Error):
            probe(make_client(place, keys, attempts=1, requests=requests), place, 10)
    for word in ("the-key-id", "the-secret-key", "the-session-token", "Signature", "Authorization"):
        assert word not in caplog.text


@pytest.mark.usefixtures("_levels")
@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_the_libraries_log_no_more_than_the_operator_and_never_in_debug(level: str) -> None:
    logging.getLogger().setLevel(level)
    set_up_logging(level)
    assert logging.getLogger("modelops.x").isEnabledFor(logging.getLevelName(level))
    for name in LIBRARIES:
        library = logging.getLogger(f"{name}.x")
        assert not library.isEnabledFor(logging.DEBUG)
        assert library.isEnabledFor(logging.ERROR)
        if level in ("WARNING", "ERROR"):
            assert not library.isEnabledFor(logging.INFO)
