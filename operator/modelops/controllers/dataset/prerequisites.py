"""What must be there before anybody can look at a source: Secrets, and the claim."""

import base64
import binascii

from modelops.api.dataset import Dataset
from modelops.controllers.dataset.probe_result import Problem
from modelops.controllers.dataset.probing import problem_of
from modelops.machinery.context import ReconcileContext
from modelops.machinery.resources import PERSISTENT_VOLUME_CLAIMS, SECRETS
from modelops.store.credentials import Credentials, from_secret
from modelops.store.errors import S3Error


async def credentials_for(dataset: Dataset, context: ReconcileContext) -> Credentials | Problem | None:
    """What to look at the source with; None for a volume, and for the operator's own identity. Raises ApiError."""
    source, namespace = dataset.spec.source, dataset.metadata.namespace
    store = context.settings.store.secret_name
    if store is not None and await context.kube.get(SECRETS, namespace, store) is None:
        return _no_secret(store, "the store for manifests and profiles")
    if source.pvc is not None:
        claim = source.pvc.claim_name
        there = await context.kube.get(PERSISTENT_VOLUME_CLAIMS, namespace, claim) is not None
        return None if there else _no_claim(claim)
    if source.s3 is None or source.s3.secret_ref is None:
        return None
    name = source.s3.secret_ref.name
    body = await context.kube.get(SECRETS, namespace, name)
    if body is None:
        return _no_secret(name, "spec.source.s3.secretRef")
    try:
        return from_secret(_decoded(body.get("data") or {}), name)
    except S3Error as problem:
        return problem_of(problem)


def _no_secret(name: str, needed_by: str) -> Problem:
    return Problem("Waiting", "SecretNotFound", f'there is no Secret "{name}" in this namespace; {needed_by} needs it')


def _no_claim(name: str) -> Problem:
    message = f'there is no PersistentVolumeClaim "{name}" in this namespace; create it or correct spec.source.pvc'
    return Problem("Waiting", "ClaimNotFound", message)


def _decoded(data: dict[str, str]) -> dict[str, str]:
    decoded = {}
    for name, value in data.items():
        try:
            decoded[name] = base64.b64decode(value).decode(errors="replace")
        except binascii.Error:
            continue
    return decoded
