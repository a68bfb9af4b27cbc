"""Prerequisites of a probe: the Secrets and the claim that the source names."""

import base64
import binascii

from modelops.api.dataset import Dataset
from modelops.controllers.dataset.probe_result import SecretNotReadable, SourceProblem
from modelops.controllers.dataset.probing import source_problem
from modelops.machinery.context import ReconcileContext
from modelops.machinery.kube import ApiError
from modelops.machinery.resources import PERSISTENT_VOLUME_CLAIMS, SECRETS
from modelops.store.credentials import Credentials, from_secret
from modelops.store.errors import S3Error


async def credentials_for(
    dataset: Dataset, context: ReconcileContext
) -> Credentials | SourceProblem | SecretNotReadable | None:
    """Return the credentials for the source, or which prerequisite of a probe is missing.

    None for a claim and for a source without a Secret, which Jobs read. Raises ApiError.
    """
    source, namespace = dataset.spec.source, dataset.metadata.namespace
    store = context.settings.store.secret_name
    if store is not None and await _is_missing(store, namespace, context):
        return _no_secret(store, "the store of manifests and profiles")
    if source.pvc is not None:
        claim = source.pvc.claim_name
        exists = await context.kube.get(PERSISTENT_VOLUME_CLAIMS, namespace, claim) is not None
        return None if exists else _no_claim(claim)
    if source.s3 is None or source.s3.secret_ref is None:
        return None
    name = source.s3.secret_ref.name
    try:
        body = await context.kube.get(SECRETS, namespace, name)
    except ApiError as error:
        if error.forbidden:
            return SecretNotReadable()
        raise
    if body is None:
        return _no_secret(name, "spec.source.s3.secretRef")
    try:
        return from_secret(_decoded(body.get("data") or {}), name)
    except S3Error as error:
        return source_problem(error)


async def _is_missing(secret: str, namespace: str, context: ReconcileContext) -> bool:
    """Return whether a Secret is known not to exist. Where the operator may not know, the Job's Pod waits for it."""
    try:
        return await context.kube.metadata(SECRETS, namespace, secret) is None
    except ApiError as error:
        if error.forbidden:
            return False
        raise


def _no_secret(name: str, needed_by: str) -> SourceProblem:
    message = f'Secret "{name}" not found: {needed_by} needs it; create it in this namespace'
    return SourceProblem("Waiting", "SecretNotFound", message)


def _no_claim(name: str) -> SourceProblem:
    message = f'PersistentVolumeClaim "{name}" not found: create it in this namespace or correct spec.source.pvc'
    return SourceProblem("Waiting", "ClaimNotFound", message)


def _decoded(data: dict[str, str]) -> dict[str, str]:
    decoded = {}
    for name, value in data.items():
        try:
            decoded[name] = base64.b64decode(value).decode(errors="replace")
        except binascii.Error:
            continue
    return decoded
