"""Two InferenceServices that need Services of one name: the first keeps its own, the second says what to do."""

from support.cluster import scripted_model
from support.cluster.polling import poll
from support.cluster.real_cluster import Space, has


def _owner(space: Space, service: str) -> str:
    """Wait for a Service, and return the name of its controller."""
    found = poll(
        lambda: space.cluster.api.get("service", service, space.name),
        lambda body: body is not None,
        within=60,
        awaited=f"Service {service}",
    )
    assert found is not None
    (owner,) = found["metadata"]["ownerReferences"]
    return str(owner["name"])


def test_the_service_of_a_candidate_has_one_owner(space: Space) -> None:
    """Clients of one InferenceService must never get answers of another one's candidate."""
    space.apply(scripted_model.version(space, "v1"))
    space.apply(scripted_model.service(space, "v1", "a-candidate"), scripted_model.service(space, "v1", "b"))
    assert (_owner(space, "a-candidate"), _owner(space, "b-candidate")) == ("a-candidate", "b")
    space.apply(scripted_model.service(space, "v1", "a"), scripted_model.service(space, "v1", "b-candidate"))
    space.wait("inferenceservice", "a", has("Stalled", reason="NameTaken"))
    space.wait("inferenceservice", "b-candidate", has("Stalled", reason="ServiceNameTaken"))
    assert (_owner(space, "a-candidate"), _owner(space, "b-candidate")) == ("a-candidate", "b")
