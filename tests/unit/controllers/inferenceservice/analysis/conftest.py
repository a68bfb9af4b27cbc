"""Fixtures of the analysis tests."""

from collections.abc import AsyncIterator

import pytest

from support.proxy.http_responder import Serve, http_responders


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that starts an HTTP server and returns its port."""
    async with http_responders() as start:
        yield start
