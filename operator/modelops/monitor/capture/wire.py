"""Protobuf messages of Envoy's access log service, with only the fields that the monitor reads.

The full definition is https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/accesslog/v3/als.proto. Strings are
declared as bytes, which have the same encoding: one header that is not UTF-8 must not fail a whole batch.
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
# Message: its fields, each a name, a type and a number. `*` marks repeated fields, which maps are on the wire.
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
        for field_name, type_, number in fields:
            base_type = type_.removeprefix("*")
            label = _FIELD.LABEL_REPEATED if type_ != base_type else _FIELD.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            if base_type in _SCALARS:
                field.type = _SCALARS[base_type]
            else:
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{base_type}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Batch"))


Batch = _batch_class()
"""One message of the stream, parsed by `Batch.FromString(bytes)`."""
EMPTY_RESPONSE = b""
"""`StreamAccessLogsResponse`, a message without fields."""
