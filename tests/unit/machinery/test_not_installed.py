"""A kind that the cluster has not got: what the API server says of it helps nobody."""

import pytest

from modelops.machinery.kube import ApiError
from modelops.machinery.reconcile import kind_not_installed
from modelops.machinery.resources import CONFIG_MAPS, HTTP_ROUTES, Resource


@pytest.mark.parametrize(
    ("resource", "status", "told"),
    [
        pytest.param(HTTP_ROUTES, 404, True, id="no Gateway API"),
        pytest.param(HTTP_ROUTES, 403, False, id="no right: the API server's own words say it"),
        pytest.param(HTTP_ROUTES, 422, False, id="a field that it refuses"),
        pytest.param(CONFIG_MAPS, 404, False, id="a namespace that is gone"),
    ],
)
def test_who_must_install_what(resource: Resource, status: int, told: bool) -> None:
    """The answer is `404 page not found`; the status must say what is missing."""
    problem = kind_not_installed(resource, ApiError(status, "Error", "404 page not found"))
    assert (problem is not None) is told
    if problem is not None:
        assert problem.reason == "KindNotInstalled"
        assert "this cluster has no HTTPRoute: install the Gateway API" in problem.message
