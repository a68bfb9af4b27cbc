"""Who may write what: requests, users, and the API server's answers, which tests try and docs/security.md shows."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from modelops.api.annotations import STOP
from modelops.api.kinds import API_VERSION
from modelops.api.pods import PodOptions
from modelops.controllers.containers import container_security, pod_defaults
from modelops.controllers.inferenceservice.pod.names import ROUTES_ANNOTATION
from modelops.controllers.trainingrun.children import QUEUE_LABEL
from modelops.controllers.trainingrun.sweep.metadata import OBJECTIVE, PINNED_INPUTS, SWEEP, TRIAL
from modelops.machinery.ownership import kind_label
from modelops.machinery.resources import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DATASETS,
    DEPLOYMENTS,
    EVENTS,
    INFERENCE_SERVICES,
    JOBS,
    MANAGED_BY,
    MANAGER,
    MODEL_VERSIONS,
    PODS,
    SERVICES,
    TRAINING_RUNS,
    Body,
    Resource,
)
from support.builders.common import settings

OPERATOR, EDITOR, STEERER, ADMINISTRATOR, KUBERNETES, KUEUE = (
    "the operator",
    "an editor",
    "a steerer",
    "an administrator",
    "Kubernetes",
    "Kueue",
)
USERS = (OPERATOR, EDITOR, STEERER, ADMINISTRATOR, KUBERNETES, KUEUE)
NO_RIGHT = ""
"""Words of a refusal by RBAC, which no policy is asked about."""
ME = "$USER"
"""In a body: the name of the user who sends the request."""
Verb = Literal["create", "patch", "delete"]

_OWN = {MANAGED_BY: MANAGER}
_SELECTED = kind_label("InferenceService")
_DIGEST = "sha256:" + "a" * 64
_REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
_STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
_CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
_LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")

_CHANGED = "is written by the operator alone; change the object of modelops.dev that owns it"
_LABELLED = f"must not have the label {MANAGED_BY}={MANAGER}, which the operator alone gives; leave the label out"
_ONLY_LABELLED = f"only with the label {MANAGED_BY}={MANAGER}"
_HAS_NO_LABEL = f"has no label {MANAGED_BY}={MANAGER}"
_ONLY_ROUTES = f"may change only the annotation {ROUTES_ANNOTATION}"
_STANDARD = "must meet the restricted Pod Security Standard"
_NODE = "must not use the network, the processes or the ports of their node"
_NAMESPACE = "the operator may not write in namespace kube-system; move the object to another namespace"
_STEER = 'the verb "steer" on inferenceservices.modelops.dev in namespace'
_OWN_NAME = "must be your own user name, and changes only with"
_PAUSE_NAME = "must be your own user name, and change only with modelops.dev/pause"


@dataclass(frozen=True)
class Attempt:
    """A request, and the answer to each user."""

    what: str
    """The request in words."""
    verb: Verb
    resource: Resource
    body: Body = field(default_factory=dict)
    """Object to create, or JSON merge patch."""
    yes: tuple[str, ...] = ()
    """Users whose request passes."""
    no: dict[str, str] = field(default_factory=dict)
    """Users whose request is refused, and words of the refusal. Users who are in neither are not asked."""
    name: str = ""
    """Object to change or delete."""
    subresource: str | None = None
    namespace: str | None = None
    """Namespace; None for that of the tests."""
    controller: str = "generic-garbage-collector"
    """Controller of Kubernetes that sends such a request."""


def pod_spec(**changes: Any) -> Body:
    """Build the spec of a Pod as the operator builds it, with changed fields."""
    container = {"name": "a", "image": "a:1", "securityContext": container_security()}
    return {**pod_defaults(PodOptions(), settings()), "restartPolicy": "Never", "containers": [container], **changes}


def existing() -> Iterator[tuple[str, Body]]:
    """Yield the objects that the attempts are about, each with the user who creates it."""
    yield OPERATOR, _deployment("served", _OWN)
    yield OPERATOR, {**_object(CONFIG_MAPS, "routes", _OWN), "data": {"routes.json": "{}"}}
    yield OPERATOR, _service("served", _OWN)
    yield OPERATOR, _job("plain", _OWN)
    yield OPERATOR, _job("queued", {**_OWN, QUEUE_LABEL: "queue"})
    yield OPERATOR, _run("trial-0", {**_OWN, SWEEP: "search"}, {TRIAL: "0"})
    yield (
        KUBERNETES,
        {**_object(PODS, "served-0", _OWN), "spec": pod_spec(schedulingGates=[{"name": "modelops.dev/never"}])},
    )
    yield ADMINISTRATOR, {**_object(CONFIG_MAPS, "own"), "data": {"a": "1"}}
    yield ADMINISTRATOR, _deployment("own", {})
    yield ADMINISTRATOR, _inference_service("rollout")
    paused = {"modelops.dev/pause": "true", "modelops.dev/pause-by": ME}
    yield ADMINISTRATOR, _inference_service("paused", paused)


def attempts() -> dict[str, list[Attempt]]:
    """Return all attempts, by the heading in docs/security.md that shows the answers."""
    return {
        "The operator's objects": _children(),
        "Trials and trained models": _evidence(),
        "Rollouts": _steering(),
        "The operator's own account": _leash(),
    }


def table(rows: Iterable[Attempt]) -> str:
    """Render the answers as a table in Markdown, with a column for each user who is asked."""
    rows = list(rows)
    users = [user for user in USERS if any(user in row.yes or user in row.no for row in rows)]
    lines = [f"| | {' | '.join(users)} |", f"| --- |{' --- |' * len(users)}"]
    for row in rows:
        answers = ["yes" if user in row.yes else "no" if user in row.no else "" for user in users]
        lines.append("".join(f"| {cell} " if cell else "| " for cell in (row.what, *answers)) + "|")
    return "\n".join(lines) + "\n"


def _refused(words: str, *users: str) -> dict[str, str]:
    return dict.fromkeys(users or (EDITOR, ADMINISTRATOR), words)


def _children() -> list[Attempt]:
    return [
        Attempt(
            "create a Job with the label",
            "create",
            JOBS,
            _job("new", _OWN),
            yes=(OPERATOR, KUBERNETES),
            no=_refused(_LABELLED),
            controller="cronjob-controller",
        ),
        Attempt(
            "create a Pod with the label",
            "create",
            PODS,
            {**_object(PODS, "new", _OWN), "spec": pod_spec()},
            yes=(KUBERNETES,),
            no={OPERATOR: NO_RIGHT, **_refused(_LABELLED)},
            controller="replicaset-controller",
        ),
        Attempt(
            "create a ReplicaSet whose Pods get the label",
            "create",
            _REPLICA_SETS,
            {**_object(_REPLICA_SETS, "new"), "spec": _replicas(_OWN)},
            yes=(KUBERNETES,),
            no={OPERATOR: NO_RIGHT, **_refused("the template of ReplicaSet new must not have the labels")},
            controller="deployment-controller",
        ),
        Attempt(
            "create a CronJob whose Jobs get the label",
            "create",
            _CRON_JOBS,
            _cron_job("new", _OWN),
            no={OPERATOR: NO_RIGHT, **_refused("the template of CronJob new must not have the labels")},
        ),
        Attempt(
            "create a Pod that the Service of an InferenceService selects",
            "create",
            PODS,
            {**_object(PODS, "new", {_SELECTED: "rollout"}), "spec": pod_spec()},
            yes=(KUBERNETES,),
            no={
                OPERATOR: NO_RIGHT,
                **_refused(f"Pod new must not have the labels {MANAGED_BY}={MANAGER} and {_SELECTED}"),
            },
            controller="replicaset-controller",
        ),
        Attempt(
            "create a StatefulSet of such Pods",
            "create",
            _STATEFUL_SETS,
            {**_object(_STATEFUL_SETS, "new"), "spec": {**_replicas({}, **{_SELECTED: "rollout"}), "serviceName": "a"}},
            no={OPERATOR: NO_RIGHT, **_refused("the template of StatefulSet new must not have the labels")},
        ),
        Attempt(
            "create a ControllerRevision that an InferenceService controls",
            "create",
            CONTROLLER_REVISIONS,
            {**_controlled(CONTROLLER_REVISIONS, "new", "InferenceService"), "data": {}, "revision": 1},
            no={OPERATOR: _ONLY_LABELLED, **_refused("must not have an object of modelops.dev as its controller")},
        ),
        Attempt(
            "change a Deployment with the label",
            "patch",
            DEPLOYMENTS,
            {"spec": {"minReadySeconds": 1}},
            name="served",
            yes=(OPERATOR, KUBERNETES),
            no=_refused(_CHANGED),
        ),
        Attempt(
            "scale a Deployment of an InferenceService",
            "patch",
            DEPLOYMENTS,
            {"spec": {"replicas": 2}},
            name="served",
            subresource="scale",
            yes=(KUBERNETES,),
            no={OPERATOR: NO_RIGHT, **_refused("change spec.replicas of its InferenceService instead")},
        ),
        Attempt(
            "change the routes in a ConfigMap with the label",
            "patch",
            CONFIG_MAPS,
            {"data": {"routes.json": "{ }"}},
            name="routes",
            yes=(OPERATOR, KUBERNETES),
            no=_refused(_CHANGED),
        ),
        Attempt(
            "take the label off a Service",
            "patch",
            SERVICES,
            {"metadata": {"labels": {MANAGED_BY: None}}},
            name="served",
            yes=(KUBERNETES,),
            no={OPERATOR: _ONLY_LABELLED, **_refused(_CHANGED)},
        ),
        Attempt(
            "put the label on a ConfigMap of one's own",
            "patch",
            CONFIG_MAPS,
            {"metadata": {"labels": _OWN}},
            name="own",
            yes=(KUBERNETES,),
            no={OPERATOR: _HAS_NO_LABEL, **_refused(_LABELLED)},
        ),
        Attempt(
            "change the annotation `modelops.dev/routes` of a Pod with the label",
            "patch",
            PODS,
            {"metadata": {"annotations": {ROUTES_ANNOTATION: "a b c"}}},
            name="served-0",
            yes=(OPERATOR, KUBERNETES),
            no=_refused(_CHANGED),
        ),
        Attempt(
            "change another annotation of such a Pod",
            "patch",
            PODS,
            {"metadata": {"annotations": {"example.com/note": "a"}}},
            name="served-0",
            yes=(KUBERNETES,),
            no={OPERATOR: _ONLY_ROUTES, **_refused(_CHANGED)},
        ),
        Attempt(
            "change the image of such a Pod",
            "patch",
            PODS,
            {"spec": {"containers": [{"name": "a", "image": "b:1", "securityContext": container_security()}]}},
            name="served-0",
            yes=(KUBERNETES,),
            no={OPERATOR: _ONLY_ROUTES, **_refused(_CHANGED)},
        ),
        Attempt(
            "resume a Job with the label that is in a queue",
            "patch",
            JOBS,
            {"spec": {"suspend": False}},
            name="queued",
            yes=(KUBERNETES, KUEUE),
            no={OPERATOR: NO_RIGHT, **_refused(_CHANGED)},
        ),
        Attempt(
            "resume a Job with the label that is in no queue",
            "patch",
            JOBS,
            {"spec": {"suspend": False}},
            name="plain",
            yes=(KUBERNETES,),
            no={OPERATOR: NO_RIGHT, **_refused(_CHANGED, EDITOR, ADMINISTRATOR, KUEUE)},
        ),
        Attempt(
            "delete a Deployment with the label",
            "delete",
            DEPLOYMENTS,
            name="served",
            yes=(OPERATOR, EDITOR, ADMINISTRATOR, KUBERNETES),
        ),
        Attempt(
            "change a Deployment without the label",
            "patch",
            DEPLOYMENTS,
            {"spec": {"minReadySeconds": 1}},
            name="own",
            yes=(EDITOR, ADMINISTRATOR, KUBERNETES),
            no={OPERATOR: _ONLY_LABELLED},
        ),
    ]


def _evidence() -> list[Attempt]:
    trial = {**_OWN, SWEEP: "search"}
    run, imported = {"name": "train", "uid": "1", "inputKey": _DIGEST}, {"source": "a notebook"}
    owned = {**_run("new"), **_controlled(TRAINING_RUNS, "new", "TrainingRun")}
    return [
        Attempt(
            "create a TrainingRun with the marks of a trial",
            "create",
            TRAINING_RUNS,
            _run("new", trial, {TRIAL: "1", OBJECTIVE: "auc", PINNED_INPUTS: "[]"}),
            yes=(OPERATOR,),
            no=_refused(f"only the operator writes {SWEEP}, {MANAGED_BY}, {TRIAL}, {OBJECTIVE}, {PINNED_INPUTS}"),
        ),
        Attempt(
            "create a TrainingRun with pinned inputs",
            "create",
            TRAINING_RUNS,
            _run("new", {}, {PINNED_INPUTS: "[]"}),
            no={OPERATOR: _ONLY_LABELLED, **_refused(f"only the operator writes {PINNED_INPUTS} of TrainingRun new")},
        ),
        Attempt(
            "create a TrainingRun that another one owns",
            "create",
            TRAINING_RUNS,
            owned,
            no={
                OPERATOR: _ONLY_LABELLED,
                **_refused("only the operator makes TrainingRun new belong to a TrainingRun"),
            },
        ),
        Attempt(
            "change the spec of a trial",
            "patch",
            TRAINING_RUNS,
            {"spec": {"parameters": {"depth": "3"}}},
            name="trial-0",
            yes=(OPERATOR,),
            no=_refused(
                "TrainingRun trial-0 is a trial of sweep search; change the spec of TrainingRun search instead"
            ),
        ),
        Attempt(
            "stop a trial by its annotation",
            "patch",
            TRAINING_RUNS,
            {"metadata": {"annotations": {STOP: "too expensive"}}},
            name="trial-0",
            yes=(OPERATOR, EDITOR, ADMINISTRATOR),
        ),
        Attempt(
            "create a ModelVersion with `origin.trainingRun`",
            "create",
            MODEL_VERSIONS,
            _version("new", _OWN, {"trainingRun": run}),
            yes=(OPERATOR,),
            no=_refused(MANAGED_BY),
        ),
        Attempt(
            "create one without the label",
            "create",
            MODEL_VERSIONS,
            _version("new", {}, {"trainingRun": run}),
            no={OPERATOR: _ONLY_LABELLED, **_refused("only the operator writes spec.origin.trainingRun")},
        ),
        Attempt(
            "create a ModelVersion with `origin.imported`",
            "create",
            MODEL_VERSIONS,
            _version("new", {}, {"imported": imported}),
            yes=(EDITOR, ADMINISTRATOR),
            no={OPERATOR: _ONLY_LABELLED},
        ),
    ]


def _steering() -> list[Attempt]:
    def steer(what: str, name: str = "rollout", *, refused: str = "", **annotations: str | None) -> Attempt:
        named = {f"modelops.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        able = (STEERER, ADMINISTRATOR)
        return Attempt(
            what,
            "patch",
            INFERENCE_SERVICES,
            {"metadata": {"annotations": named}},
            name=name,
            yes=() if refused else able,
            no={OPERATOR: NO_RIGHT, EDITOR: _STEER, **(dict.fromkeys(able, refused) if refused else {})},
        )

    return [
        steer("promote in one's own name", promote="1", promote_by=ME),
        steer("promote to all traffic in one's own name", promote_full="1", promote_full_by=ME),
        steer("abort in one's own name", abort="wrong", abort_by=ME),
        steer("retry in one's own name", retry="1", retry_by=ME),
        steer("promote in another name", refused=_OWN_NAME, promote="1", promote_by="bert"),
        steer("promote without a name", refused=_OWN_NAME, promote="1"),
        steer("change the name alone", refused=_OWN_NAME, promote_by=ME),
        steer("pause in one's own name", pause="true", pause_by=ME),
        steer("pause without a name", refused=_PAUSE_NAME, pause="true"),
        steer("resume in one's own name", "paused", pause=None, pause_by=None, resume_by=ME),
        steer("resume without a name", "paused", refused=_PAUSE_NAME, pause=None, pause_by=None),
        steer("change who paused", "paused", refused=_PAUSE_NAME, pause_by="bert"),
        Attempt(
            "create an InferenceService with a request",
            "create",
            INFERENCE_SERVICES,
            _inference_service("new", {"modelops.dev/promote": "1", "modelops.dev/promote-by": ME}),
            yes=(ADMINISTRATOR,),
            no={OPERATOR: NO_RIGHT, EDITOR: _STEER, STEERER: NO_RIGHT},
        ),
        Attempt(
            "change the spec of an InferenceService",
            "patch",
            INFERENCE_SERVICES,
            {"spec": {"replicas": {"min": 2}}},
            name="rollout",
            yes=(EDITOR, ADMINISTRATOR),
            no={OPERATOR: NO_RIGHT, STEERER: 'the verb "update" on inferenceservices.modelops.dev in namespace'},
        ),
    ]


def _leash() -> list[Attempt]:
    def job(what: str, refused: str, spec: Body, namespace: str | None = None) -> Attempt:
        body = _job("new", _OWN, spec)
        return Attempt(what, "create", JOBS, body, no={OPERATOR: refused}, namespace=namespace)

    def secured(**changes: Any) -> Body:
        context = {**container_security(), **changes}
        return pod_spec(containers=[{"name": "a", "image": "a:1", "securityContext": context}])

    privileged = {**container_security(), "privileged": True, "allowPrivilegeEscalation": True}
    hidden = {"name": "b", "image": "b:1", "securityContext": privileged}
    port: Body = {"name": "a", "image": "a:1", "securityContext": container_security()}
    port["ports"] = [{"containerPort": 80, "hostPort": 80}]
    note = {
        "regarding": {"kind": "Dataset", "name": "data", "apiVersion": API_VERSION},
        "eventTime": "2026-11-29T00:00:00.000000Z",
        "reportingController": "modelops.dev/operator",
        "reportingInstance": "a",
        "action": "Reconcile",
        "type": "Normal",
        "reason": "Tested",
    }
    return [
        job("create a Job in `kube-system`", _NAMESPACE, pod_spec(), "kube-system"),
        job("create a Job with privileges", _STANDARD, pod_spec(initContainers=[hidden])),
        job("create a Job whose container gains privileges", _STANDARD, secured(allowPrivilegeEscalation=True)),
        job("create a Job with capabilities", _STANDARD, secured(capabilities={"drop": ["ALL"], "add": ["SYS_TIME"]})),
        job("create a Job that keeps capabilities", _STANDARD, secured(capabilities={"drop": ["SYS_TIME"]})),
        job("create a Job as root", _STANDARD, pod_spec(securityContext={"runAsUser": 0})),
        job("create a Job without seccomp", _STANDARD, pod_spec(securityContext={"runAsNonRoot": True})),
        job("create a Job in the network of its node", _NODE, pod_spec(hostNetwork=True)),
        job("create a Job that sees its node's processes", _NODE, pod_spec(hostPID=True)),
        job("create a Job with a port of its node", _NODE, pod_spec(containers=[port])),
        job("create a Job on a node of its choice", _NODE, pod_spec(nodeName="a")),
        job(
            "create a Job with a directory of its node",
            "may have only volumes of emptyDir, configMap, secret and persistentVolumeClaim",
            pod_spec(volumes=[{"name": "a", "hostPath": {"path": "/"}}]),
        ),
        job(
            "create a Job with a token",
            "must have automountServiceAccountToken false",
            pod_spec(automountServiceAccountToken=True),
        ),
        Attempt(
            "create a ConfigMap without the label",
            "create",
            CONFIG_MAPS,
            _object(CONFIG_MAPS, "new"),
            yes=(EDITOR, ADMINISTRATOR),
            no={OPERATOR: _ONLY_LABELLED},
        ),
        Attempt(
            "delete a ConfigMap without the label",
            "delete",
            CONFIG_MAPS,
            name="own",
            yes=(EDITOR, ADMINISTRATOR),
            no={OPERATOR: _HAS_NO_LABEL},
        ),
        Attempt(
            "create another Lease beside the operator's own",
            "create",
            _LEASES,
            {**_object(_LEASES, "new"), "spec": {}},
            no={OPERATOR: "the operator writes no coordination.k8s.io/leases"},
            namespace="modelops-system",
        ),
        Attempt("create an Event", "create", EVENTS, {**_object(EVENTS, "new"), **note}, yes=(OPERATOR,)),
        Attempt(
            "change the status of an InferenceService",
            "patch",
            INFERENCE_SERVICES,
            {"status": {"url": "http://rollout"}},
            name="rollout",
            subresource="status",
            yes=(OPERATOR,),
            no={EDITOR: NO_RIGHT, STEERER: NO_RIGHT},
        ),
        Attempt(
            "create a Dataset",
            "create",
            DATASETS,
            {**_object(DATASETS, "new"), "spec": {"source": {"s3": {"bucket": "data"}}}},
            yes=(EDITOR, ADMINISTRATOR),
            no={OPERATOR: NO_RIGHT},
        ),
    ]


def _object(
    resource: Resource, name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None
) -> Body:
    metadata: Body = {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _controlled(resource: Resource, name: str, kind: str) -> Body:
    body = _object(resource, name)
    owner = {"apiVersion": API_VERSION, "kind": kind, "name": "search", "uid": "1", "controller": True}
    body["metadata"]["ownerReferences"] = [owner]
    return body


def _template(labels: dict[str, str], **changes: Any) -> Body:
    return {"metadata": {"labels": {"app": "a", **labels}}, "spec": pod_spec(**changes)}


def _replicas(labels: dict[str, str], **selected: str) -> Body:
    template = _template({**labels, **selected}, restartPolicy="Always")
    return {"replicas": 0, "selector": {"matchLabels": {"app": "a", **selected}}, "template": template}


def _deployment(name: str, labels: dict[str, str]) -> Body:
    selected = {_SELECTED: "rollout"} if labels else {}
    return {**_object(DEPLOYMENTS, name, labels), "spec": _replicas(labels, **selected)}


def _job(name: str, labels: dict[str, str], spec: Body | None = None) -> Body:
    template = _template(labels)
    template["spec"] = copy.deepcopy(spec) if spec is not None else template["spec"]
    return {**_object(JOBS, name, labels), "spec": {"suspend": True, "template": template}}


def _cron_job(name: str, labels: dict[str, str]) -> Body:
    job = {"metadata": {"labels": labels}, "spec": {"template": _template({})}}
    return {**_object(_CRON_JOBS, name), "spec": {"schedule": "@yearly", "jobTemplate": job}}


def _service(name: str, labels: dict[str, str]) -> Body:
    return {**_object(SERVICES, name, labels), "spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}}


def _run(name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Body:
    spec = {
        "trainer": {"image": "trainer:1", "command": ["train"]},
        "datasets": [{"name": "train", "ref": {"name": "not-there"}}],
        "output": {"model": "approval", "format": "sklearn"},
    }
    return {**_object(TRAINING_RUNS, name, labels, annotations), "spec": spec}


def _version(name: str, labels: dict[str, str], origin: Body) -> Body:
    artifact = {"uri": "s3://models/approval/", "digest": _DIGEST, "format": "sklearn", "bytes": 1}
    return {
        **_object(MODEL_VERSIONS, name, labels),
        "spec": {"model": "approval", "artifact": artifact, "origin": origin},
    }


def _inference_service(name: str, annotations: dict[str, str] | None = None) -> Body:
    spec = {"model": {"name": "not-there"}, "server": {"runtime": "sklearn"}}
    return {**_object(INFERENCE_SERVICES, name, annotations=annotations), "spec": spec}
