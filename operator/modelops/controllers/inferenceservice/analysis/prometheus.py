"""Asking a Prometheus for a single value.

The API is https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries.
"""

import json
import math
import re
from typing import Any

import aiohttp
from yarl import URL

from modelops.api.addresses import LocalAddress
from modelops.api.inferenceservice_status import CheckResult, Outcome
from modelops.api.rollout import PrometheusQuery
from modelops.controllers.inferenceservice.analysis.arguments import Subject
from modelops.controllers.inferenceservice.analysis.bounded_http import answer, session, why
from modelops.controllers.inferenceservice.analysis.judge import clipped

_MOST_BYTES = 1 << 20
_TIMEOUT_SECONDS = 10.0
_PLACEHOLDER = re.compile(r"\{(namespace|inferenceservice|stable|candidate)\}")


async def ask_prometheus(
    name: str, query: PrometheusQuery, subject: Subject, unasked: frozenset[LocalAddress] = frozenset(LocalAddress)
) -> CheckResult:
    """Whether the query's single value is within its bounds. What only the operator's Pod or node reaches is not
    asked.
    """
    try:
        async with session(_TIMEOUT_SECONDS, unasked) as client:
            url = URL(query.address.rstrip("/")) / "api/v1/query"
            # As a form: a query may be longer than what a server takes for a URL.
            _, body = await answer(client, "POST", url, _MOST_BYTES, data={"query": filled_in(query.query, subject)})
        value = single_value(body)
    except QueryError as error:
        return _result(name, "Error", str(error))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _result(name, "Error", why(error, _TIMEOUT_SECONDS))
    return compared(name, query, value)


def filled_in(query: str, subject: Subject) -> str:
    """The query with its placeholders filled in: in one pass, so that what is filled in is never read again."""
    return _PLACEHOLDER.sub(lambda found: str(getattr(subject, found[1])), query)


class QueryError(Exception):
    """An answer that has no single value, and why."""


def single_value(body: bytes) -> float | None:
    """The one value of an answer; None where there is none. Raises QueryError. Pure."""
    try:
        answered: Any = json.loads(body)
        if answered["status"] == "error":
            # Prometheus says here what is wrong with the query.
            raise QueryError(f"Prometheus says {answered['errorType']}: {answered['error']}")
        if answered["status"] != "success":
            raise ValueError("no status of Prometheus")
        kind, result = answered["data"]["resultType"], answered["data"]["result"]
        if kind == "scalar":
            return float(result[1])
        if kind in ("matrix", "string"):
            raise QueryError(f"the query gives a {kind}, and must give a single value")
        if kind != "vector":
            raise ValueError("no type of Prometheus")
        if len(result) > 1:
            raise QueryError(f"the query gives {len(result)} values, and must give a single one: aggregate it")
        return float(result[0]["value"][1]) if result else None
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise QueryError("the answer is none of Prometheus' API: look at the address") from error


def compared(name: str, query: PrometheusQuery, value: float | None) -> CheckResult:
    """Whether a value is within bounds. Pure."""
    if value is None or math.isnan(value):
        return _result(name, "Inconclusive", "the query gives no value")
    shown = value if math.isfinite(value) else None
    if query.max is not None and value > query.max:
        return _result(name, "Failed", f"{value:g} is above max {query.max:g}", shown)
    if query.min is not None and value < query.min:
        return _result(name, "Failed", f"{value:g} is below min {query.min:g}", shown)
    return _result(name, "Passed", f"{value:g} is within bounds", shown)


def _result(name: str, outcome: Outcome, message: str, value: float | None = None) -> CheckResult:
    return CheckResult(name=name, outcome=outcome, message=clipped(message), value=value)
