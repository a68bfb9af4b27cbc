"""Two InferenceServices whose Services have one name: the first keeps the Service, the second shows why it waits."""

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.pod.names import candidate_service_name, service_name
from modelops.controllers.inferenceservice.revisions import children
from modelops.machinery.ownership import may_write
from support.builders.inferenceservices import inference_service


def named(name: str) -> InferenceService:
    """Return an InferenceService of this name."""
    service = inference_service()
    metadata = service.metadata.model_copy(update={"name": name, "uid": f"uid-of-{name}"})
    return service.model_copy(update={"metadata": metadata})


def test_a_candidates_service_is_not_taken_over_nor_given_away() -> None:
    """Clients of `loans-candidate` would get the answers of a candidate of `loans`, or the other way round."""
    first, second = named("loans"), named("loans-candidate")
    assert candidate_service_name(first) == service_name(second) == "loans-candidate"
    of_first = children.candidate_service(first, "abc", grpc=False)
    of_second = children.stable_service(second, "abc", grpc=False)
    assert may_write(of_first, of_first, first)
    assert may_write(of_second, of_second, second)
    assert not may_write(of_first, of_second, second)
    assert not may_write(of_second, of_first, first)
