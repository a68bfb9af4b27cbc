"""A kind whose API is not installed is named in the status: the API server's own message does not."""

import pytest

from modelops.machinery.kube import ApiError
from modelops.machinery.reconcile import kind_not_installed
from modelops.machinery.resources import CONFIG_MAPS, HTTP_ROUTES, Resource


@pytest.mark.parametrize(
    ("resource", "status", "explained"),
    [
        pytest.param(HTTP_ROUTES, 404, True, id="a 404 of an optional resource means that its API is missing"),
        pytest.param(HTTP_ROUTES, 403, False, id="a 403 is explained by the API server itself"),
        pytest.param(HTTP_ROUTES, 422, False, id="a 422 is explained by the API server itself"),
        pytest.param(CONFIG_MAPS, 404, False, id="a 404 of a built-in resource means that the namespace is missing"),
    ],
)
def test_a_missing_api_is_named(resource: Resource, status: int, explained: bool) -> None:
    """The API server says only `404 page not found`; the status must name what to install."""
    problem = kind_not_installed(resource, ApiError(status, "Error", "404 page not found"))
    assert (problem is not None) is explained
    if problem is not None:
        assert problem.reason == "KindNotInstalled"
        assert "kind HTTPRoute is not installed in this cluster; install the Gateway API" in problem.message
