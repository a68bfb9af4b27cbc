"""The access log as it comes over the wire: of Envoy's messages only the fields that are read here.

The whole is https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/accesslog/v3/als.proto. Text is declared as
bytes, which are the same on the wire: one header that is no UTF-8 must not cost a whole batch.
"""

from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

SERVICE = "envoy.service.accesslog.v3.AccessLogService"
METHOD = "StreamAccessLogs"
_PACKAGE = "modelops.capture"
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _FIELD.TYPE_BYTES,
    "double": _FIELD.TYPE_DOUBLE,
    "bool": _FIELD.TYPE_BOOL,
    "uint32": _FIELD.TYPE_UINT32,
}
# By message: name, type and number of each field. `*` is for repeated ones, which maps are on the wire.
_MESSAGES: dict[str, list[tuple[str, str, int]]] = {
    "Batch": [("http_logs", "Entries", 2)],
    "Entries": [("log_entry", "*Entry", 1)],
    "Entry": [("common", "Common", 1), ("request", "Request", 3), ("response", "Response", 4)],
    "Common": [("metadata", "Metadata", 17)],
    "Request": [("path", "bytes", 5), ("request_id", "bytes", 9), ("headers", "*Header", 13)],
    "Response": [("code", "Number", 1), ("headers", "*Header", 4)],
    "Number": [("value", "uint32", 1)],
    "Header": [("key", "bytes", 1), ("value", "bytes", 2)],
    "Metadata": [("spaces", "*Space", 1)],
    "Space": [("key", "bytes", 1), ("value", "Struct", 2)],
    "Struct": [("fields", "*Field", 1)],
    "Field": [("key", "bytes", 1), ("value", "Value", 2)],
    "Value": [("number", "double", 2), ("text", "bytes", 3), ("truth", "bool", 4)],
}


def _batch_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="modelops/capture.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, kind, number in fields:
            plain = kind.removeprefix("*")
            label = _FIELD.LABEL_REPEATED if kind != plain else _FIELD.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if plain in _SCALARS:
                added.type = _SCALARS[plain]
            else:
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{plain}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Batch"))


Batch = _batch_class()
"""One message of the stream: `Batch.FromString(bytes)`."""
NOTHING = b""
"""The answer at the stream's end, a message without fields."""
