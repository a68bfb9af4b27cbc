{{/* Variables of every policy about Pods: parts of a TrainingRun, InferenceService or Dataset that Pods are made from. */}}
{{- define "modelops.podVariables" -}}
- name: pod
  expression: object.spec.?pod.orValue({})
- name: priorityClass
  expression: variables.pod.?priorityClassName.orValue('')
- name: tolerations
  expression: variables.pod.?tolerations.orValue([])
{{- end -}}

{{/* Namespaces of a policy: those that the operator watches, and of these the ones that a profile selects. */}}
{{- define "modelops.policyNamespaces" -}}
{{- $root := index . 0 -}}
{{- $selector := deepCopy (default dict (index . 1)) -}}
{{- with $root.Values.watchNamespaces -}}
{{- $watched := dict "key" "kubernetes.io/metadata.name" "operator" "In" "values" . -}}
{{- $_ := set $selector "matchExpressions" (append (default list $selector.matchExpressions) $watched) -}}
{{- end -}}
{{- toJson $selector -}}
{{- end -}}

{{/* End of a refusal: what is allowed, and whom to ask for more. Takes (list $ "a, b"). */}}
{{- define "modelops.allowed" -}}
{{- $root := index . 0 -}}
{{- printf "is not allowed in namespace ' + request.namespace + ': use %s, or ask %s" (index . 1) $root.Values.tenancy.contact -}}
{{- end -}}

{{/* Variables of a profile. */}}
{{- define "modelops.profileVariables" -}}
{{- $profile := index . 1 -}}
{{ include "modelops.podVariables" . }}
- name: resource
  expression: request.resource.resource
- name: checks
  expression: object.spec.?rollout.?analysis.?checks.orValue([])
{{- if hasKey $profile "tolerations" }}
- name: refusedTolerations
  expression: >-
    variables.tolerations.filter(t, !{{ toJson $profile.tolerations }}.exists(a,
    t.?key.orValue('') == a.key
    && (!has(a.value) || (t.?operator.orValue('Equal') == 'Equal' && t.?value.orValue('') == a.value))
    && (!has(a.effect) || t.?effect.orValue('') == a.effect)))
{{- end }}
{{- if hasKey $profile "nodeSelectors" }}
- name: nodeSelector
  expression: variables.pod.?nodeSelector.orValue({})
- name: nodeSelectors
  expression: {{ toJson (toJson $profile.nodeSelectors) }}
- name: refusedNodeLabels
  expression: >-
    variables.nodeSelector.filter(k, !(k in variables.nodeSelectors
    && (size(variables.nodeSelectors[k]) == 0 || variables.nodeSelector[k] in variables.nodeSelectors[k])))
{{- end }}
{{- if hasKey $profile "volumes" }}
- name: refusedVolumes
  expression: >-
    variables.pod.?volumes.orValue([]).filter(v, !{{ toJson $profile.volumes }}.exists(kind, kind in v))
{{- end }}
{{- if hasKey $profile "secrets" }}
- name: secrets
  expression: >-
    [{'field': 'spec.source.s3.secretRef', 'name': string(object.spec.?source.?s3.?secretRef.?name.orValue(''))}]
    + variables.pod.?imagePullSecrets.orValue([]).map(s, {'field': 'spec.pod.imagePullSecrets', 'name': string(s.name)})
    + variables.pod.?volumes.orValue([]).map(v,
    {'field': 'spec.pod.volumes', 'name': string(v.?secret.?secretName.orValue(''))})
    + object.spec.?trainer.?env.orValue([]).map(v,
    {'field': 'spec.trainer.env', 'name': string(v.?valueFrom.?secretKeyRef.?name.orValue(''))})
    + object.spec.?server.?env.orValue([]).map(v,
    {'field': 'spec.server.env', 'name': string(v.?valueFrom.?secretKeyRef.?name.orValue(''))})
    + object.spec.?server.?container.?env.orValue([]).map(v,
    {'field': 'spec.server.container.env', 'name': string(v.?valueFrom.?secretKeyRef.?name.orValue(''))})
- name: refusedSecrets
  expression: variables.secrets.filter(s, !(s.name in {{ toJson (prepend $profile.secrets "") }}))
- name: refusedSecretsOfChecks
  expression: >-
    variables.checks.filter(c, c.?job.?env.orValue([]).exists(v,
    !(v.?valueFrom.?secretKeyRef.?name.orValue('') in {{ toJson (prepend $profile.secrets "") }})))
{{- end }}
{{- if hasKey $profile "images" }}
- name: images
  expression: >-
    ([{'field': 'spec.trainer.image', 'image': string(object.spec.?trainer.?image.orValue(''))},
    {'field': 'spec.server.container.image', 'image': string(object.spec.?server.?container.?image.orValue(''))}]
    + variables.checks.map(c,
    {'field': 'spec.rollout.analysis.checks[' + c.name + '].job.image', 'image': string(c.?job.?image.orValue(''))}))
    .filter(i, i.image != '')
{{- if hasKey $profile.images "prefixes" }}
- name: refusedImages
  expression: >-
    variables.images.filter(i, !{{ toJson $profile.images.prefixes }}.exists(p, i.image.startsWith(p)))
{{- end }}
{{- if $profile.images.digests }}
- name: imagesByTag
  expression: variables.images.filter(i, !i.image.matches('@sha256:[0-9a-f]{64}$'))
{{- end }}
{{- end }}
{{- if hasKey $profile "formats" }}
- name: formatField
  expression: "variables.resource == 'trainingruns' ? 'spec.output.format' : 'spec.artifact.format'"
- name: format
  expression: object.spec.?output.?format.orValue(object.spec.?artifact.?format.orValue(''))
{{- end }}
{{- if hasKey $profile "gateways" }}
- name: refusedGateways
  expression: >-
    object.spec.?gateway.?parentRefs.orValue([]).filter(g, !{{ toJson $profile.gateways }}.exists(a,
    (!has(a.name) || a.name == g.name)
    && g.?namespace.orValue(request.namespace) == (has(a.namespace) ? a.namespace : request.namespace)))
{{- end }}
{{- if hasKey $profile "hostnames" }}
- name: hostnames
  expression: object.spec.?gateway.?hostnames.orValue([])
- name: refusedHostnames
  expression: >-
    variables.hostnames.filter(h, !{{ toJson $profile.hostnames }}.exists(a, h == a || h.endsWith('.' + a)))
{{- end }}
{{- end -}}

{{/* Validations of a profile. A field that the profile does not have is not restricted. */}}
{{- define "modelops.profileValidations" -}}
{{- $root := index . 0 -}}
{{- $profile := index . 1 -}}
{{- $ask := $root.Values.tenancy.contact -}}
{{- if hasKey $profile "serviceAccounts" }}
- expression: variables.pod.?serviceAccountName.orValue('') in {{ toJson (concat (list "" "default") $profile.serviceAccounts) }}
  reason: Forbidden
  messageExpression: >-
    'spec.pod.serviceAccountName ' + variables.pod.serviceAccountName + ' {{ include "modelops.allowed" (list $root (join ", " (append $profile.serviceAccounts "default"))) }}'
{{- end }}
{{- if hasKey $profile "priorityClasses" }}
- expression: variables.priorityClass in {{ toJson (prepend $profile.priorityClasses "") }}
  reason: Forbidden
  messageExpression: >-
    'spec.pod.priorityClassName ' + variables.priorityClass + ' {{ include "modelops.allowed" (list $root (join ", " (append $profile.priorityClasses "none"))) }}'
{{- end }}
{{- if hasKey $profile "tolerations" }}
- expression: size(variables.refusedTolerations) == 0
  reason: Forbidden
  messageExpression: >-
    'spec.pod.tolerations: the taint ' + variables.refusedTolerations[0].?key.orValue('')
    + ' with operator ' + variables.refusedTolerations[0].?operator.orValue('Equal')
    + ', value "' + variables.refusedTolerations[0].?value.orValue('')
    + '" and effect "' + variables.refusedTolerations[0].?effect.orValue('')
    + '" may not be tolerated in namespace ' + request.namespace + ': remove the toleration, or ask {{ $ask }}'
{{- end }}
{{- if hasKey $profile "nodeSelectors" }}
- expression: size(variables.refusedNodeLabels) == 0
  reason: Forbidden
  messageExpression: >-
    'spec.pod.nodeSelector ' + variables.refusedNodeLabels[0] + '=' + variables.nodeSelector[variables.refusedNodeLabels[0]]
    + ' is not allowed in namespace ' + request.namespace + ': remove it, or ask {{ $ask }}'
- expression: "!variables.pod.?affinity.?nodeAffinity.hasValue()"
  reason: Forbidden
  messageExpression: >-
    'spec.pod.affinity.nodeAffinity is not allowed in namespace ' + request.namespace
    + ', where the labels of nodes are restricted: use spec.pod.nodeSelector, or ask {{ $ask }}'
{{- end }}
{{- if and (hasKey $profile "affinity") (not $profile.affinity) }}
- expression: "!variables.pod.?affinity.hasValue()"
  reason: Forbidden
  messageExpression: >-
    'spec.pod.affinity is not allowed in namespace ' + request.namespace + ': remove it, or ask {{ $ask }}'
{{- end }}
{{- with $profile.users }}
- expression: >-
    variables.resource == 'modelversions'
    || (variables.pod.?runAsUser.orValue(65532) >= {{ int64 .min }} && variables.pod.?runAsUser.orValue(65532) <= {{ int64 .max }})
  reason: Forbidden
  messageExpression: >-
    'spec.pod.runAsUser ' + string(variables.pod.?runAsUser.orValue(65532)) + ' {{ include "modelops.allowed" (list $root (printf "%d to %d" (int64 .min) (int64 .max))) }}'
{{- end }}
{{- if hasKey $profile "volumes" }}
- expression: size(variables.refusedVolumes) == 0
  reason: Forbidden
  messageExpression: >-
    'spec.pod.volumes: the kind of volume ' + variables.refusedVolumes[0].name + ' {{ include "modelops.allowed" (list $root (join ", " (append $profile.volumes "none"))) }}'
{{- end }}
{{- if hasKey $profile "secrets" }}
- expression: size(variables.refusedSecrets) == 0
  reason: Forbidden
  messageExpression: >-
    variables.refusedSecrets[0].field + ': the Secret ' + variables.refusedSecrets[0].name + ' {{ include "modelops.allowed" (list $root (join ", " (append $profile.secrets "none"))) }}'
- expression: size(variables.refusedSecretsOfChecks) == 0
  reason: Forbidden
  messageExpression: >-
    'spec.rollout.analysis.checks[' + variables.refusedSecretsOfChecks[0].name + '].job.env: a Secret of it {{ include "modelops.allowed" (list $root (join ", " (append $profile.secrets "none"))) }}'
{{- end }}
{{- with $profile.images }}
{{- if hasKey . "prefixes" }}
- expression: size(variables.refusedImages) == 0
  reason: Forbidden
  messageExpression: >-
    variables.refusedImages[0].field + ' ' + variables.refusedImages[0].image + ' {{ include "modelops.allowed" (list $root (printf "an image of %s" (join ", " .prefixes))) }}'
{{- end }}
{{- if .digests }}
- expression: size(variables.imagesByTag) == 0
  reason: Forbidden
  messageExpression: >-
    variables.imagesByTag[0].field + ' ' + variables.imagesByTag[0].image + ' {{ include "modelops.allowed" (list $root "its digest (name@sha256:…)") }}'
{{- end }}
{{- end }}
{{- if hasKey $profile "runtimes" }}
- expression: object.spec.?server.?runtime.orValue('') in {{ toJson (prepend $profile.runtimes "") }}
  reason: Forbidden
  messageExpression: >-
    'spec.server.runtime ' + object.spec.server.runtime + ' {{ include "modelops.allowed" (list $root (default "none" (join ", " $profile.runtimes))) }}'
{{- end }}
{{- if not (ternary $profile.ownServers (not (hasKey $profile "runtimes")) (hasKey $profile "ownServers")) }}
- expression: "!object.spec.?server.?container.hasValue()"
  reason: Forbidden
  messageExpression: >-
    'spec.server.container is not allowed in namespace ' + request.namespace
    + ': use a preset by spec.server.runtime, or ask {{ $ask }}'
{{- end }}
{{- if hasKey $profile "formats" }}
- expression: variables.format in {{ toJson (prepend $profile.formats "") }}
  reason: Forbidden
  messageExpression: >-
    variables.formatField + ' ' + variables.format + ' {{ include "modelops.allowed" (list $root (default "none" (join ", " $profile.formats))) }}'
{{- end }}
{{- if hasKey $profile "gateways" }}
- expression: size(variables.refusedGateways) == 0
  reason: Forbidden
  messageExpression: >-
    'spec.gateway.parentRefs: the Gateway ' + variables.refusedGateways[0].name + ' of namespace '
    + variables.refusedGateways[0].?namespace.orValue(request.namespace)
    + ' may not be used in namespace ' + request.namespace + ': use another Gateway, or ask {{ $ask }}'
{{- end }}
{{- if hasKey $profile "hostnames" }}
- expression: "!object.spec.?gateway.hasValue() || size(variables.hostnames) > 0"
  reason: Forbidden
  messageExpression: >-
    'spec.gateway.hostnames, absent, {{ include "modelops.allowed" (list $root (printf "a name of %s" (default "none" (join ", " $profile.hostnames)))) }}'
- expression: size(variables.refusedHostnames) == 0
  reason: Forbidden
  messageExpression: >-
    'spec.gateway.hostnames: ' + variables.refusedHostnames[0] + ' {{ include "modelops.allowed" (list $root (printf "a name of %s" (default "none" (join ", " $profile.hostnames)))) }}'
{{- end }}
{{- if eq (default "" $profile.approval) "Manual" }}
- expression: >-
    variables.resource != 'trainingruns'
    || object.spec.output.?registration.orValue('Always') == 'Never'
    || object.spec.output.?versionTemplate.?approval.orValue('Automatic') == 'Manual'
  reason: Forbidden
  messageExpression: >-
    'spec.output.versionTemplate.approval Automatic {{ include "modelops.allowed" (list $root "Manual") }}'
- expression: >-
    variables.resource != 'modelversions'
    || object.spec.?approval.orValue('Automatic') == 'Manual'
    || authorizer.group('modelops.dev').resource('modelversions').namespace(request.namespace).name(object.metadata.?name.orValue('')).check('approve').allowed()
  reason: Forbidden
  messageExpression: >-
    'spec.approval Automatic needs the verb "approve" on modelversions.modelops.dev in namespace ' + request.namespace
    + ': use Manual, or ask {{ $ask }}'
{{- end }}
{{- end -}}
