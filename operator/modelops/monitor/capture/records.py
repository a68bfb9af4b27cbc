"""Parse Envoy's access log entries into requests and responses with their bodies. Pure."""

import base64
import binascii
import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Any

from modelops.api.addresses import POD_ADDRESSES
from modelops.api.contract.proxy import CAPTURE_FILTER


@dataclass(frozen=True)
class Body:
    """Captured body, with its format according to the headers."""

    content: bytes
    content_type: str
    binary: bool = False
    """True: tensors follow the JSON, as in the Open Inference Protocol's binary extension."""


@dataclass(frozen=True)
class Record:
    """Captured request and its response."""

    key: str
    """Digest of request id, path and body, under which the prediction is stored and fetched: equal in the Pod that
    mirrored the request and in the Pod that received it, and unknown to anyone without the request. Empty without a
    body."""
    status: int
    request: Body | None
    """None: the body was too large, of unknown length or compressed."""
    response: Body | None
    mirrored: bool
    """True: another Pod answered the client and mirrored the request to this one."""
    mirrored_by: str | None
    """IP address of the Pod that mirrored the request and stores its own prediction."""
    tolerance: float | None
    """Relative difference allowed between numbers. None: predictions are not compared."""


def parse_record(entry: Any) -> Record:
    """Parse an `HTTPAccessLogEntry` (see `wire`)."""
    captured = _captured_fields(entry)
    request_headers, response_headers = _headers(entry.request.headers), _headers(entry.response.headers)
    request = _body(captured, b"request", request_headers)
    response = _body(captured, b"response", response_headers)
    mirrored_by = captured.get(b"mirrored_by")
    tolerance = captured.get(b"tolerance")
    return Record(
        key=_request_key(entry.request.request_id, entry.request.path, request.content) if request else "",
        status=entry.response.code.value,
        request=request,
        response=response,
        mirrored=b"mirrored" in captured and captured[b"mirrored"].truth,
        mirrored_by=_pod_address(mirrored_by.text) if mirrored_by is not None else None,
        tolerance=tolerance.number if tolerance is not None else None,
    )


def _captured_fields(entry: Any) -> dict[bytes, Any]:
    for space in entry.common.metadata.spaces:
        if space.key == CAPTURE_FILTER.encode():
            return {field.key: field.value for field in space.value.fields}
    return {}


def _headers(headers: Any) -> dict[bytes, bytes]:
    return {header.key: header.value for header in headers}


def _body(captured: dict[bytes, Any], name: bytes, headers: dict[bytes, bytes]) -> Body | None:
    content = captured[name].text if name in captured else _decode_base64(captured.get(name + b"_base64"))
    if content is None:
        return None
    content_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    return Body(content, content_type, b"inference-header-content-length" in headers)


def _decode_base64(value: Any) -> bytes | None:
    if value is None:
        return None
    try:
        return base64.b64decode(value.text, validate=True)
    except binascii.Error:
        return None


def _request_key(request_id: bytes, path: bytes, body: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (request_id, path, body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _pod_address(text: bytes) -> str | None:
    """Return the IP address in a mark, or None for anything by which this Pod would call elsewhere.

    Host names are rejected, and addresses that no Pod has, although only the other version's Pods can write a mark.
    """
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return None
    return str(address) if POD_ADDRESSES.permit(address) else None
