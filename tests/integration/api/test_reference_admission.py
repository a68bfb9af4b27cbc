"""The API server refuses a reference to anything but an object, by one sentence that names the field."""

import pytest

from hack.cluster import configs
from modelops.machinery.resources import MANAGED_BY, MANAGER
from support.cluster.admission import NAMESPACE, Mistake, assert_rejected, changed, minimal
from support.cluster.api_server import ApiServer, message
from support.references import REFERENCES, Reference


@pytest.mark.parametrize("text", ["a/b", "..", "../../other/secrets/x", "%2e%2e", "a b", ""])
@pytest.mark.parametrize("reference", REFERENCES, ids=str)
def test_a_reference_that_leads_elsewhere_is_refused(api: ApiServer, reference: Reference, text: str) -> None:
    """With the operator's rights such a reference would read objects of other namespaces."""
    mistake = Mistake("a reference must be a name", reference.named(text), says=[reference.field, "should match"])
    assert_rejected(api, reference.kind, mistake)


@pytest.mark.parametrize("reference", REFERENCES, ids=str)
def test_every_name_of_kubernetes_is_admitted(api: ApiServer, reference: Reference) -> None:
    """A pattern narrower than Kubernetes' would forbid objects that exist."""
    for name in reference.sort.names:
        changes = {f"spec.{path}": value for path, value in reference.named(name).items()}
        body, user = changed(minimal(reference.kind), changes), None
        if "trainingRun" in body["spec"].get("origin", {}):
            # Only the operator's account may name the origin of a model.
            body["metadata"]["labels"], user = {MANAGED_BY: MANAGER}, configs.AUDITED_USER
        answer = api.create(body, NAMESPACE, user)
        assert answer.status_code == 201, message(answer)
