"""Checks by hook: a POST to the user's URL, whose response is the result."""

import json
from typing import Any

import aiohttp

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice_status import AnalysisCheckResult, AnalysisOutcome
from modelops.api.rollout import Hook
from modelops.controllers.bounded_http import describe_failure, open_session, request
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.destinations import Destination
from modelops.controllers.inferenceservice.analysis.results import check_result

_MAX_BYTES = 64 * 1024
_MAX_SECONDS = 30.0
"""Also of a hook that was stored before the API had this limit."""
_OUTCOMES: tuple[AnalysisOutcome, ...] = ("Passed", "Failed", "Inconclusive")


async def call_hook(name: str, hook: Hook, arguments: CheckArguments, destination: Destination) -> AnalysisCheckResult:
    """Return the result of a hook. A hook that does not respond properly has the outcome Error.

    Of the response only the `message` of a JSON object gets into the status: the operator may reach what the user who
    chose the URL may not read.
    """
    seconds = min(parse_duration(hook.timeout).total_seconds(), _MAX_SECONDS)
    question = {
        "inferenceservice": arguments.inferenceservice,
        "namespace": arguments.namespace,
        "stable": arguments.stable,
        "candidate": arguments.candidate,
        "weight": arguments.weight,
        "candidateURL": arguments.candidate_url,
    }
    try:
        async with open_session(seconds, destination.rules, destination.address) as session:
            status, body = await request(session, "POST", destination.url, _MAX_BYTES, json=question)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return check_result(name, "Error", describe_failure(error))
    return hook_result(name, status, body)


def hook_result(name: str, status: int, body: bytes) -> AnalysisCheckResult:
    """Return what a hook's response means. Pure."""
    response = _json_object(body)
    message = response.get("message")
    words = message if isinstance(message, str) and message else f"HTTP {status}"
    if 400 <= status < 500:
        return check_result(name, "Failed", words)
    if not 200 <= status < 300:
        return check_result(name, "Error", f"HTTP {status}: neither 2xx (passed) nor 4xx (failed)")
    outcome = response.get("outcome", "Passed")
    for known in _OUTCOMES:
        if outcome == known:
            return check_result(name, known, words)
    return check_result(name, "Error", f"outcome in the response is not one of {', '.join(_OUTCOMES)}")


def _json_object(body: bytes) -> dict[str, Any]:
    """Return a response's JSON object; empty where the body is anything else."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
