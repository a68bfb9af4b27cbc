"""Checks by Prometheus query: an instant query whose single value must be within bounds.

The API is https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries.
"""

import json
import math
from typing import Any

import aiohttp

from modelops.api.inferenceservice_status import AnalysisCheckResult
from modelops.api.rollout import PrometheusQuery
from modelops.controllers.bounded_http import describe_failure, open_session, request
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.destinations import Destination
from modelops.controllers.inferenceservice.analysis.promql import QueryRefusedError, confined
from modelops.controllers.inferenceservice.analysis.results import check_result
from modelops.controllers.inferenceservice.pod.placeholders import fill_placeholders

_MAX_BYTES = 1 << 20
_TIMEOUT_SECONDS = 10.0


class QueryError(Exception):
    """A response without a single value; the message says why."""


async def query_prometheus(
    name: str,
    query: PrometheusQuery,
    arguments: CheckArguments,
    destination: Destination,
) -> AnalysisCheckResult:
    """Return whether the query's single value is within its bounds.

    A server that namespaces share is asked only for series of the InferenceService's own namespace.
    """
    try:
        text = fill_placeholders(query.query, _placeholders(arguments))
        if destination.namespace_label is not None:
            text = confined(text, destination.namespace_label, arguments.namespace)
        async with open_session(_TIMEOUT_SECONDS, destination.rules, destination.address) as session:
            url = destination.url / "api/v1/query"
            # As a form: a query may be longer than what a server takes for a URL.
            _, body = await request(session, "POST", url, _MAX_BYTES, data={"query": text})
        value = single_value(body)
    except (QueryError, QueryRefusedError) as error:
        return check_result(name, "Error", str(error))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return check_result(name, "Error", describe_failure(error))
    return compare_with_bounds(name, query, value)


def single_value(body: bytes) -> float | None:
    """Return the value in a response of the API; None for an empty vector. Pure.

    Raises QueryError.
    """
    try:
        response: Any = json.loads(body)
        if response["status"] == "error":
            # The server's message names the error in the query.
            raise QueryError(f"Prometheus: {response['errorType']}: {response['error']}")
        if response["status"] != "success":
            raise ValueError("status not of Prometheus")
        kind, result = response["data"]["resultType"], response["data"]["result"]
        if kind == "scalar":
            return float(result[1])
        if kind in ("matrix", "string"):
            raise QueryError(f"query returned a {kind}: a single value is needed")
        if kind != "vector":
            raise ValueError("result type not of Prometheus")
        if len(result) > 1:
            raise QueryError(f"query returned {len(result)} values: aggregate them to one")
        return float(result[0]["value"][1]) if result else None
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise QueryError("response is not of the Prometheus API: check the address") from error


def compare_with_bounds(name: str, query: PrometheusQuery, value: float | None) -> AnalysisCheckResult:
    """Return the result of a check: inconclusive without a value (None or NaN), failed beyond a bound. Pure."""
    if value is None or math.isnan(value):
        return check_result(name, "Inconclusive", "query returned no value")
    finite = value if math.isfinite(value) else None
    if query.max is not None and value > query.max:
        return check_result(name, "Failed", f"{value:g}, above {query.max:g}", finite)
    if query.min is not None and value < query.min:
        return check_result(name, "Failed", f"{value:g}, below {query.min:g}", finite)
    bounds = [
        *([f"at least {query.min:g}"] if query.min is not None else []),
        *([f"at most {query.max:g}"] if query.max is not None else []),
    ]
    return check_result(name, "Passed", f"{value:g}, {' and '.join(bounds)}", finite)


def _placeholders(arguments: CheckArguments) -> dict[str, str]:
    return {
        "namespace": arguments.namespace,
        "inferenceservice": arguments.inferenceservice,
        "stable": arguments.stable,
        "candidate": arguments.candidate,
    }
