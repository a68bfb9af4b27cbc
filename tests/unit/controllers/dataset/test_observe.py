"""Who probes the source of a Dataset that names a Secret: the operator where it may read the Secret, else a Job."""

from typing import Any, cast

import pytest

from modelops.controllers.dataset.observe import Observation, observe
from modelops.controllers.dataset.probe_result import SecretNotReadable
from modelops.controllers.dataset.probing import Prober
from modelops.machinery.cache import Cache
from modelops.machinery.context import ReconcileContext
from modelops.machinery.kube import ApiError, Kube
from modelops.machinery.resources import SECRETS, Body, Key, Resource
from modelops.store.listing import TooManyObjects
from support.builders.common import NAMESPACE, NOW, ago, settings
from support.builders.datasets import dataset

WITH_SECRET: dict[str, Any] = {"source": {"s3": {"bucket": "data", "secretRef": {"name": "keys"}}}, "interval": "5m"}
KEYS: Body = {"data": {"AWS_ACCESS_KEY_ID": "YQ==", "AWS_SECRET_ACCESS_KEY": "Yg=="}}


class Api:
    """API server that refuses Secrets, or has one."""

    def __init__(self, *, refuses: bool = True) -> None:
        self.refuses = refuses

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return the Secret."""
        assert resource is SECRETS
        if self.refuses:
            raise ApiError(403, "Forbidden", "secrets is forbidden")
        return KEYS

    metadata = get


async def observed(prober: Prober, api: Api, **status: Any) -> Observation:
    """Observe a Dataset with this status."""
    context = ReconcileContext(Cache({}), cast(Kube, api), settings(), NOW)
    return await observe(dataset(status=status, **WITH_SECRET), context, prober)


def a_prober() -> Prober:
    """Return a Prober that finds too many objects in every source."""
    return Prober(lambda place, credentials, most, requests: TooManyObjects(most))


async def test_without_the_right_to_read_secrets_a_job_probes() -> None:
    """The Job mounts the Secret: nothing but the operator's own right is missing, and that is not an error."""
    seen = await observed(a_prober(), Api())
    assert (seen.due, seen.obstacle) == ("Job", None)
    assert seen.probe_result is not None
    assert isinstance(seen.probe_result.outcome, SecretNotReadable)


@pytest.mark.parametrize(
    ("probed_at", "due"), [(ago(minutes=1), None), (ago(minutes=6), "Job")], ids=["within the interval", "after it"]
)
async def test_a_restart_does_not_probe_again_before_the_interval_is_over(probed_at: str, due: str | None) -> None:
    """After a restart no probe is remembered: a Job for each Dataset at once would flood the cluster."""
    prober = a_prober()
    for _ in range(2):
        seen = await observed(prober, Api(), probedAt=probed_at, probedGeneration=1)
        assert seen.due == due


async def test_once_the_right_is_granted_the_operator_lists_the_source() -> None:
    """The refusal of before must not be remembered for as long as the operator runs."""
    prober = a_prober()
    await observed(prober, Api(), probedAt=ago(minutes=6), probedGeneration=1)
    seen = await observed(prober, Api(refuses=False), probedAt=ago(minutes=6), probedGeneration=1)
    assert (seen.due, seen.probe_result) == ("InProcess", None)
    assert prober.running(Key("Dataset", NAMESPACE, "mortgage"))
