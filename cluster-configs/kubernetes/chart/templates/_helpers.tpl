{{- define "levada.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "levada.peers" -}}
{{ include "levada.fullname" . }}-peers
{{- end -}}

{{- define "levada.selector" -}}
app.kubernetes.io/name: levada
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "levada.labels" -}}
{{ include "levada.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "levada.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* The pods that make the cluster, by their names. */}}
{{- define "levada.founders" -}}
{{- $name := include "levada.fullname" . -}}
{{- $peers := include "levada.peers" . -}}
{{- $members := list -}}
{{- range $ordinal := until (int .Values.founders) -}}
{{- $members = append $members (printf "%s-%d.%s.%s.svc.%s:7100" $name $ordinal $peers $.Release.Namespace $.Values.clusterDomain) -}}
{{- end -}}
{{- join "," $members -}}
{{- end -}}

{{/* What both containers must know. */}}
{{- define "levada.podEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: LEVADA_KUBERNETES_SERVICE
  value: {{ include "levada.peers" . }}
- name: LEVADA_KUBERNETES_DOMAIN
  value: {{ .Values.clusterDomain }}
{{- end -}}

{{- define "levada.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
