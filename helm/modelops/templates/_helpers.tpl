{{- define "modelops.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of cluster-scoped objects: several releases that each watch some namespaces may be installed. */}}
{{- define "modelops.clusterName" -}}
{{- $name := include "modelops.fullname" . -}}
{{- ternary (printf "%s-%s" $name .Release.Namespace) $name (not (empty .Values.watchNamespaces)) -}}
{{- end -}}

{{- define "modelops.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* managed-by must never be modelops: the operator treats objects with this value as its children. */}}
{{- define "modelops.labels" -}}
{{ include "modelops.selector" . }}
app.kubernetes.io/part-of: modelops
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- define "modelops.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "modelops.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Reference to one of the project's images. Takes (list $ "worker"). */}}
{{- define "modelops.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- $registry := default $root.Values.images.registry $image.registry -}}
{{- if $registry }}{{ trimSuffix "/" $registry }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default $root.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{/* Settings of the operator: the fields in machinery/settings.py. */}}
{{- define "modelops.settings" -}}
images:
  worker: {{ include "modelops.image" (list . "worker") | quote }}
  monitor: {{ include "modelops.image" (list . "monitor") | quote }}
store:
  url: {{ required "store.url is missing; set it to the S3 prefix for manifests, profiles and models, such as --set store.url=s3://bucket/prefix" .Values.store.url | quote }}
  {{- range $field := list "endpoint" "region" "secretName" }}
  {{- with index $.Values.store $field }}
  {{ $field }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- with .Values.store.importPrefixes }}
  importPrefixes: {{ . | toJson }}
  {{- end }}
runtimes:
  {{- range $name, $runtime := .Values.runtimes }}
  {{- if $runtime }}
  {{ $name | quote }}:
    {{- if $runtime.image }}
    image: {{ $runtime.image | quote }}
    args: {{ default list $runtime.args | toJson }}
    {{- else }}
    image: {{ include "modelops.image" (list $ "server") | quote }}
    args: {{ default (include "modelops.serverArgs" $runtime | fromJsonArray) $runtime.args | toJson }}
    {{- end }}
    {{- range $field := list "command" "env" "reservedEnv" "formats" "httpPort" "grpcPort" "readinessPath" "paths" "resources" }}
    {{- with index $runtime $field }}
    {{ $field }}: {{ . | toJson }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- else }}
  {}
  {{- end }}
datasets: {{ .Values.datasets | toJson }}
analysis: {{ .Values.analysis | toJson }}
egress: {{ .Values.egress | toJson }}
watchNamespaces: {{ .Values.watchNamespaces | toJson }}
election:
  enabled: true
  namespace: {{ .Release.Namespace | quote }}
  name: {{ include "modelops.fullname" . | quote }}
  leaseSeconds: {{ .Values.election.leaseSeconds | int }}
  renewSeconds: {{ .Values.election.renewSeconds | int }}
  retrySeconds: {{ .Values.election.retrySeconds | int }}
imagePullPolicy: {{ .Values.images.pullPolicy }}
disk:
  scratch: {{ .Values.disk.scratch | quote }}
  training: {{ .Values.disk.training | quote }}
servers:
  {{- range $field := list "defaultMaxBody" "defaultMemoryLimit" }}
  {{ $field }}: {{ index $.Values.servers $field | default nil | toJson }}
  {{- end }}
proxy:
  maxConnections: {{ .Values.proxy.maxConnections | int }}
  idleTimeout: {{ .Values.proxy.idleTimeout | quote }}
  streamIdleTimeout: {{ .Values.proxy.streamIdleTimeout | quote }}
userNamespaces: {{ .Values.tenancy.userNamespaces }}
clusterDomain: {{ .Values.clusterDomain | quote }}
workers: {{ .Values.workers | int }}
resync: {{ .Values.resync | quote }}
mebibytesPerNamespace: {{ .Values.cache.mebibytesPerNamespace }}
httpPort: {{ .Values.httpPort | int }}
logLevel: {{ .Values.logLevel }}
{{- end -}}

{{/* Arguments of `python -m modelops.server`, the entrypoint of the server image. It serves gRPC only with --grpc-port. */}}
{{- define "modelops.serverArgs" -}}
["--model-dir", "{model_dir}", "--model-name", "{model_name}", "--model-version", "{model_version}", "--format", "{format}", "--http-port", "{http_port}"
{{- if .grpcPort }}, "--grpc-port", "{grpc_port}"{{ end }}]
{{- end -}}
