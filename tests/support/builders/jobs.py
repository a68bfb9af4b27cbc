"""Build Jobs, their Pods and the states of containers."""

import json
from datetime import timedelta

from modelops.api.base import Model
from modelops.controllers.jobs import JobState, job_state
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.resources import Body
from support.builders.common import NAMESPACE, NOW, ago, digest, metadata


def terminated(code: int, report: Model | Body | str | None = None, reason: str = "", at: str = "") -> Body:
    """Build the state of a container that has terminated, with a report as its termination message."""
    text = report.wire() if isinstance(report, Model) else report
    message = text if isinstance(text, str) else "" if text is None else json.dumps(text)
    ended = {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), "message": message}
    return {"terminated": ended | ({"finishedAt": at} if at else {})}


RUNNING: Body = {"running": {"startedAt": ago(minutes=1)}}


def waiting(reason: str, message: str = "") -> Body:
    """Build the state of a container that has not started."""
    return {"waiting": {"reason": reason, "message": message}}


def pod(
    phase: str = "Running",
    init: Body | None = None,
    name: str = "pod-1",
    reason: str = "",
    rank: int | None = None,
    disruption: str = "",
    message: str = "",
    **containers: Body,
) -> Body:
    """Build a Pod from the states of its containers; `init` is the state of the init container `fetch`."""

    def statuses(states: Body) -> list[Body]:
        return [
            {"name": container, "state": state, "imageID": f"example/{container}@{digest('e')}", "restartCount": 0}
            for container, state in states.items()
        ]

    status: Body = {"phase": phase, "containerStatuses": statuses(containers)}
    if init is not None:
        status["initContainerStatuses"] = statuses({"fetch": init})
    if reason:
        status |= {"reason": reason, "message": message or f"the node says {reason}"}
    if disruption:
        status["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": disruption}]
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
    """Build the state of a Job with its Pods. `ended` is Complete, Failed, or None while the Job runs."""
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
    about = metadata(name, creationTimestamp=ago(minutes=2))
    body = {"kind": "Job", "metadata": about, "spec": spec or {}, "status": status}
    return job_state(body, pods)
