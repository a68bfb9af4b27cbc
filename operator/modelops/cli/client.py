"""The cluster, as the kubeconfig leads to it. The only part of the plugin that asks it."""

import json
from typing import Any, TypeVar

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigLoader, KubeConfigMerger
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from modelops.api.kinds import GROUP, VERSION, Kind

_TIMEOUT_SECONDS = 30
_MERGE = "application/merge-patch+json"

Body = dict[str, Any]
K = TypeVar("K", bound=Kind)


class ClusterError(Exception):
    """It cannot be done. The message is a sentence that a person can act on."""


class UnreachableError(ClusterError):
    """The cluster does not answer, or not properly: it may later."""


class NotFoundError(ClusterError):
    """There is no such object."""


class Cluster:
    """One namespace of a cluster."""

    def __init__(self, api_client: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._client = api_client
        self._ours = client.CustomObjectsApi(api_client)
        self._core = client.CoreV1Api(api_client)

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None, namespace: str | None) -> "Cluster":
        """With the kubeconfig's context. Raises ClusterError where there is none that can be used."""
        configuration = client.Configuration()
        configuration.retries = False
        try:
            merged = KubeConfigMerger(kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION).config
            if merged is None:
                raise ClusterError("no cluster: there is no kubeconfig; name one with --kubeconfig or KUBECONFIG")
            loader = KubeConfigLoader(merged, active_context=context)
            loader.load_and_set(configuration)
        except (ConfigException, OSError, yaml.YAMLError) as error:
            raise ClusterError(f"no cluster: {' '.join(str(error).split())}") from error
        default: str = loader.current_context["context"].get("namespace") or "default"
        return cls(client.ApiClient(configuration), namespace or default)

    def get(self, kind: type[K], name: str) -> K:
        """An object of ours. Raises ClusterError where it is not there."""
        body = self._asked(
            f"{kind.__name__} {name}",
            self._ours.get_namespaced_custom_object,
            GROUP,
            VERSION,
            self.namespace,
            kind.plural,
            name,
        )
        try:
            return kind.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ClusterError(
                f"{kind.__name__} {name} is of another version of modelops than this program: {where}: {first['msg']}"
            ) from error

    def patch(self, kind: type[Kind], name: str, patch: Body) -> None:
        """Merge-patch an object of ours."""
        self._asked(
            f"{kind.__name__} {name}",
            self._ours.patch_namespaced_custom_object,
            GROUP,
            VERSION,
            self.namespace,
            kind.plural,
            name,
            patch,
            _content_type=_MERGE,
        )

    def pod(self, name: str) -> Body:
        """A Pod. Raises ClusterError where it is not there."""
        return self._asked(f"Pod {name}", self._core.read_namespaced_pod, name, self.namespace)

    def pods(self, selector: str) -> list[Body]:
        """The Pods that a label selector matches."""
        answer = self._asked("Pods", self._core.list_namespaced_pod, self.namespace, label_selector=selector)
        found: list[Body] = answer["items"]
        return found

    def whoami(self) -> str:
        """One's own name, as the API server knows it."""
        ask = client.AuthenticationV1Api(self._client).create_self_subject_review
        review = client.V1SelfSubjectReview(api_version="authentication.k8s.io/v1", kind="SelfSubjectReview")
        answer = self._asked("SelfSubjectReview", ask, review, _content_type="application/json")
        name: str = answer["status"]["userInfo"]["username"]
        return name

    def _asked(self, what: str, call: Any, *arguments: Any, **options: Any) -> Body:
        """The answer as JSON, and every way to fail as a sentence."""
        host = self._client.configuration.host
        try:
            answer = call(*arguments, **options, _preload_content=False, _request_timeout=_TIMEOUT_SECONDS)
        except ApiException as error:
            raise refusal(what, self.namespace, error.status or 0, error.body or "") from error
        except (HTTPError, OSError) as error:
            raise UnreachableError(
                f"the cluster at {host} does not answer: {str(error).rsplit(': ', 1)[-1]}"
            ) from error
        try:
            body = json.loads(answer.data)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise UnreachableError(
                f"what answers at {host} is no Kubernetes API: HTTP {answer.status}, and no JSON object"
            )
        return body


def refusal(what: str, namespace: str, status: int, content: str) -> ClusterError:
    """What the API server's refusal means, in its own words where it has any."""
    try:
        answer = json.loads(content)
        message, named = str(answer["message"]), bool((answer.get("details") or {}).get("name"))
    except (ValueError, KeyError, TypeError, AttributeError):
        message, named = " ".join(content.split())[:500] or f"HTTP {status}", False
    if status == 404 and named:
        return NotFoundError(f"there is no {what} in namespace {namespace}")
    if status == 404:
        return ClusterError(f"the cluster does not know what {what} is ({message}): is modelops installed there?")
    if status == 401:
        return ClusterError(f"the cluster does not know you: {message}")
    if status >= 500:
        return UnreachableError(message)
    return ClusterError(message)
