"""What Envoy tells of one request: its body, its answer's, and what both are. Pure."""

import base64
import binascii
import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Any

from modelops.api.addresses import LocalAddress, local_address
from modelops.api.contract.proxy import CAPTURE_FILTER, MIRRORED_HEADER


@dataclass(frozen=True)
class Body:
    """A body that was copied, and what its headers say that it is."""

    content: bytes
    content_type: str
    binary: bool = False
    """Whether a part of it is in the Open Inference Protocol's binary extension."""


@dataclass(frozen=True)
class Record:
    """A request that was captured, and its answer."""

    name: str
    """By what its answer is kept and asked for: the same in the Pod that mirrored it and in the one that got the copy,
    and known to nobody who has not the request itself. Empty where there is no body."""
    status: int
    request: Body | None
    """None where it was too large, of unknown length or compressed."""
    response: Body | None
    mirrored: bool
    """Whether it is a copy of a request that another Pod answered."""
    keeper: str | None
    """The address of the Pod that keeps its own answer to it."""
    tolerance: float | None
    """Where answers are compared, by how much numbers may differ."""


def record(entry: Any) -> Record:
    """Read an entry of the access log."""
    told = _told(entry)
    asked, answered = _headers(entry.request.headers), _headers(entry.response.headers)
    request, response = _body(told, b"request", asked), _body(told, b"response", answered)
    mirrored = asked.get(MIRRORED_HEADER.encode())
    tolerance = told.get(b"tolerance")
    return Record(
        name=_name(entry.request.request_id, entry.request.path, request.content) if request else "",
        status=entry.response.code.value,
        request=request,
        response=response,
        mirrored=mirrored is not None,
        keeper=_address(mirrored) if mirrored is not None else None,
        tolerance=tolerance.number if tolerance is not None else None,
    )


def _told(entry: Any) -> dict[bytes, Any]:
    for space in entry.common.metadata.spaces:
        if space.key == CAPTURE_FILTER.encode():
            return {field.key: field.value for field in space.value.fields}
    return {}


def _headers(found: Any) -> dict[bytes, bytes]:
    return {header.key: header.value for header in found}


def _body(told: dict[bytes, Any], which: bytes, headers: dict[bytes, bytes]) -> Body | None:
    content = told[which].text if which in told else _unpacked(told.get(which + b"_base64"))
    if content is None:
        return None
    kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    return Body(content, kind, b"inference-header-content-length" in headers)


def _unpacked(value: Any) -> bytes | None:
    if value is None:
        return None
    try:
        return base64.b64decode(value.text, validate=True)
    except binascii.Error:
        return None


def _name(request_id: bytes, path: bytes, body: bytes) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    for part in (request_id, path, body):
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()


def _address(text: bytes) -> str | None:
    """An address of another Pod, never a name or anything else that a client could have a Pod ask."""
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return None
    return str(address) if local_address(address) in (None, LocalAddress.LOOPBACK) else None
