"""Client of the cluster that the kubeconfig names. No other module of the plugin sends requests."""

import json
from typing import Any, TypeVar

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigLoader, KubeConfigMerger
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from modelops import __version__
from modelops.api.kinds import GROUP, VERSION, Kind

_TIMEOUT_SECONDS = 30
_MERGE = "application/merge-patch+json"

Body = dict[str, Any]
K = TypeVar("K", bound=Kind)


class ClusterError(Exception):
    """A failed request. The message is a sentence that a person can act on."""


class UnreachableError(ClusterError):
    """The cluster does not answer, or not as a Kubernetes API does; a later request may succeed."""


class NotFoundError(ClusterError):
    """The object does not exist in the client's namespace."""


class Cluster:
    """Client of one namespace of a cluster."""

    def __init__(self, api_client: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._client = api_client
        self._custom = client.CustomObjectsApi(api_client)
        self._core = client.CoreV1Api(api_client)

    @classmethod
    def connect(cls, kubeconfig: str | None, context: str | None, namespace: str | None) -> "Cluster":
        """Return a client for a context of the kubeconfig.

        None stands for the default kubeconfig, its current context, and the context's namespace. Raises ClusterError
        for a kubeconfig or context that cannot be used.
        """
        configuration = client.Configuration()
        configuration.retries = False
        try:
            merged = KubeConfigMerger(kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION).config  # type: ignore[no-untyped-call]
            if merged is None:
                raise ClusterError("no cluster: no kubeconfig found; set --kubeconfig or KUBECONFIG")
            loader = KubeConfigLoader(merged, active_context=context)  # type: ignore[no-untyped-call]
            loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError, yaml.YAMLError) as error:
            raise ClusterError(f"no cluster: {' '.join(str(error).split())}") from error
        default: str = loader.current_context["context"].get("namespace") or "default"
        return cls(client.ApiClient(configuration), namespace or default)

    def get(self, kind: type[K], name: str) -> K:
        """Return an object of modelops.

        Raises NotFoundError, UnreachableError, and ClusterError for other failures.
        """
        body = self._call(
            f"{kind.__name__} {name}",
            self._custom.get_namespaced_custom_object,
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
                f"{kind.__name__} {name} is not valid for modelops {__version__}: {where}: {first['msg']}; "
                "install the plugin of the operator's version"
            ) from error

    def patch(self, kind: type[Kind], name: str, patch: Body) -> None:
        """Merge-patch an object of modelops. Raises as `get` does."""
        self._call(
            f"{kind.__name__} {name}",
            self._custom.patch_namespaced_custom_object,
            GROUP,
            VERSION,
            self.namespace,
            kind.plural,
            name,
            patch,
            _content_type=_MERGE,
        )

    def pod(self, name: str) -> Body:
        """Return the body of a Pod. Raises as `get` does."""
        return self._call(f"Pod {name}", self._core.read_namespaced_pod, name, self.namespace)

    def pods(self, selector: str) -> list[Body]:
        """Return the bodies of the Pods that a label selector matches. Raises ClusterError."""
        pods = self._call("Pods", self._core.list_namespaced_pod, self.namespace, label_selector=selector)
        items: list[Body] = pods["items"]
        return items

    def whoami(self) -> str:
        """Return the user's name, as the API server knows it."""
        create = client.AuthenticationV1Api(self._client).create_self_subject_review
        review = client.V1SelfSubjectReview(api_version="authentication.k8s.io/v1", kind="SelfSubjectReview")
        created = self._call("SelfSubjectReview", create, review, _content_type="application/json")
        name: str = created["status"]["userInfo"]["username"]
        return name

    def _call(self, what: str, method: Any, *arguments: Any, **options: Any) -> Body:
        """Return the response as a JSON object, and raise every failure as a ClusterError with a sentence."""
        host = self._client.configuration.host
        try:
            response = method(*arguments, **options, _preload_content=False, _request_timeout=_TIMEOUT_SECONDS)
        except ApiException as error:
            raise refusal(what, self.namespace, error.status or 0, error.body or "") from error
        except (HTTPError, OSError) as error:
            raise UnreachableError(
                f"the cluster at {host} does not answer: {str(error).rsplit(': ', 1)[-1]}"
            ) from error
        try:
            body = json.loads(response.data)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise UnreachableError(
                f"the server at {host} is not a Kubernetes API: HTTP {response.status} without a JSON object"
            )
        return body


def refusal(what: str, namespace: str, status: int, content: str) -> ClusterError:
    """Return the error for a response of the API server with a failure, in the server's words where there are any."""
    try:
        status_object = json.loads(content)
        message, named = str(status_object["message"]), bool((status_object.get("details") or {}).get("name"))
    except (ValueError, KeyError, TypeError, AttributeError):
        message, named = " ".join(content.split())[:500] or f"HTTP {status}", False
    if status == 404 and named:
        return NotFoundError(f"no {what} in namespace {namespace}")
    if status == 404:
        return ClusterError(
            f"{what} is of a kind that the cluster does not have ({message}): is modelops installed there?"
        )
    if status == 401:
        return ClusterError(f"not logged in to the cluster: {message}")
    if status >= 500:
        return UnreachableError(message)
    return ClusterError(message)
