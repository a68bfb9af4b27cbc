"""Build Jobs, their Pods and the states of containers."""

import json
from datetime import timedelta

from modelops.api.base import Model
from modelops.controllers.jobs import JobState, job_state
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.resources import Body
from support.builders.common import NAMESPACE, NOW, ago, digest, metadata


def terminated(code: int, report: Model | Body | str | None = None, reason: str = "", at: str = "") -> Body:
    """A container's state after its end, with what it left as its termination message."""
    text = report.wire() if isinstance(report, Model) else report
    message = text if isinstance(text, str) else "" if text is None else json.dumps(text)
    ended = {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), "message": message}
    return {"terminated": ended | ({"finishedAt": at} if at else {})}


RUNNING: Body = {"running": {"startedAt": ago(minutes=1)}}


def waiting(reason: str, message: str = "") -> Body:
    """A container's state before its start."""
    return {"waiting": {"reason": reason, "message": message}}


def pod(
    phase: str = "Running",
    init: Body | None = None,
    name: str = "pod-1",
    reason: str = "",
    rank: int | None = None,
    disrupted: str = "",
    message: str = "",
    **containers: Body,
) -> Body:
    """A Pod whose containers are in these states. `init` is the state of `fetch`."""

    def statuses(states: Body) -> list[Body]:
        return [
            {"name": one, "state": state, "imageID": f"example/{one}@{digest('e')}", "restartCount": 0}
            for one, state in states.items()
        ]

    status: Body = {"phase": phase, "containerStatuses": statuses(containers)}
    if init is not None:
        status["initContainerStatuses"] = statuses({"fetch": init})
    if reason:
        status |= {"reason": reason, "message": message or f"the node says {reason}"}
    if disrupted:
        status["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": disrupted}]
    annotations = {} if rank is None else {"batch.kubernetes.io/job-completion-index": str(rank)}
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "creationTimestamp": ago(minutes=2),
            "annotations": annotations,
        },
        "spec": {"nodeName": "node-1"},
        "status": status,
    }


def job(
    name: str,
    *pods: Body,
    ended: str | None = None,
    because: str = "",
    message: str = "",
    spec: Body | None = None,
    ended_ago: timedelta = timedelta(minutes=1),
) -> JobState:
    """A Job, and how it ended: None, Complete or Failed."""
    status: Body = {"active": 1} if ended is None else {"succeeded": 1} if ended == "Complete" else {"failed": 1}
    if ended is not None:
        status["conditions"] = [
            {
                "type": ended,
                "status": "True",
                "reason": because,
                "message": message,
                "lastTransitionTime": format_timestamp(NOW - ended_ago),
            }
        ]
    made = metadata(name, creationTimestamp=ago(minutes=2))
    body = {"kind": "Job", "metadata": made, "spec": spec or {}, "status": status}
    return job_state(body, pods)
