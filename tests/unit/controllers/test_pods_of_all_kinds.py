"""What holds for every Pod that the operator makes, of every kind."""

from collections.abc import Callable
from typing import Any

import pytest

from modelops.api.modelversion import OriginDataset
from modelops.api.rollout import AnalysisCheck
from modelops.api.trainingrun_status import Inputs
from modelops.controllers.dataset import children as dataset_children
from modelops.controllers.inferenceservice.analysis.check_jobs import check_job
from modelops.controllers.inferenceservice.pod.quantities import canonical
from modelops.controllers.inferenceservice.pod.template import template
from modelops.controllers.trainingrun.attempt.pod import pod_spec
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings
from support.builders.analyses import check_arguments
from support.builders.common import digest, settings
from support.builders.datasets import dataset, snapshot
from support.builders.inferenceservices import inference_service
from support.builders.modelversions import version
from support.builders.trainingruns import training_run


def of_a_trainer(given: Settings) -> Body:
    pinned = OriginDataset.model_validate({**snapshot(), "name": "train", "dataset": "mortgage"})
    return pod_spec(training_run(), ResolvedInputs(Inputs(generation=1, datasets=[pinned]), digest("1")), given, "job")


def of_a_snapshot(given: Settings) -> Body:
    spec: Body = dataset_children.snapshot_job(dataset(), digest("a"), given)["spec"]["template"]["spec"]
    return spec


def of_a_model(given: Settings) -> Body:
    spec: Body = template(inference_service(), version(), given)["spec"]
    return spec


def of_a_check(given: Settings) -> Body:
    check = AnalysisCheck.model_validate({"name": "smoke", "job": {"image": "judge:1"}})
    job = check_job(inference_service(), check, check_arguments(), "attempt", 1, given)
    spec: Body = job["spec"]["template"]["spec"]
    return spec


PODS = pytest.mark.parametrize("pod", [of_a_trainer, of_a_snapshot, of_a_model, of_a_check])
Pod = Callable[[Settings], dict[str, Any]]


@PODS
def test_pods_run_in_user_namespaces_if_the_chart_says_so(pod: Pod) -> None:
    """A process that breaks out of its container is nobody on the node."""
    assert pod(settings(userNamespaces=True))["hostUsers"] is False
    assert "hostUsers" not in pod(settings())


@PODS
def test_every_directory_has_a_limit(pod: Pod) -> None:
    """Otherwise one Pod could fill the disk of its node, and the kubelet would evict others as well."""
    limits = [volume["emptyDir"]["sizeLimit"] for volume in pod(settings())["volumes"] if "emptyDir" in volume]
    assert limits
    assert all(canonical(limit) == limit for limit in limits), "the API server would write it back otherwise"
