"""Asking a URL of the user's for its judgement."""

import json
from typing import Any

import aiohttp
from yarl import URL

from modelops.api.addresses import LocalAddress
from modelops.api.durations import parse_duration
from modelops.api.inferenceservice_status import CheckResult, Outcome
from modelops.api.rollout import Hook
from modelops.controllers.inferenceservice.analysis.arguments import Subject
from modelops.controllers.inferenceservice.analysis.bounded_http import answer, session, why
from modelops.controllers.inferenceservice.analysis.judge import clipped

_MOST_BYTES = 64 * 1024
_OUTCOMES: tuple[Outcome, ...] = ("Passed", "Failed", "Inconclusive")


async def ask_hook(
    name: str, hook: Hook, subject: Subject, unasked: frozenset[LocalAddress] = frozenset(LocalAddress)
) -> CheckResult:
    """The judgement of a hook. What it says gets into the status only as the `message` of a JSON object: the operator
    may reach what the user who names a URL may not read. What only the operator's Pod or node reaches is not asked.
    """
    seconds = parse_duration(hook.timeout).total_seconds()
    question = {
        "inferenceservice": subject.inferenceservice,
        "namespace": subject.namespace,
        "stable": subject.stable,
        "candidate": subject.candidate,
        "weight": subject.weight,
        "candidateURL": subject.candidate_url,
    }
    try:
        async with session(seconds, unasked) as client:
            status, body = await answer(client, "POST", URL(hook.url), _MOST_BYTES, json=question)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _result(name, "Error", why(error, seconds))
    return judged(name, status, body)


def judged(name: str, status: int, body: bytes) -> CheckResult:
    """What a hook's answer means. Pure."""
    said = _object(body)
    message = said.get("message")
    words = message if isinstance(message, str) and message else f"HTTP {status}"
    if 400 <= status < 500:
        return _result(name, "Failed", words)
    if not 200 <= status < 300:
        return _result(name, "Error", f"HTTP {status}, which says neither that it passes nor that it fails")
    outcome = said.get("outcome", "Passed")
    for known in _OUTCOMES:
        if outcome == known:
            return _result(name, known, words)
    return _result(name, "Error", f"its answer has an outcome that is none of {', '.join(_OUTCOMES)}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _result(name: str, outcome: Outcome, message: str) -> CheckResult:
    return CheckResult(name=name, outcome=outcome, message=clipped(message))
