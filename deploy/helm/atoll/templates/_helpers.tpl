{{- define "atoll.project" -}}
{{ required "project must be set: the name in projects.toml" .Values.project }}
{{- end }}

{{- define "atoll.service" -}}
{{ required "service must be set: the name on the wire" .Values.service }}
{{- end }}

{{- define "atoll.prefix" -}}
{{ include "atoll.project" . | upper | replace "-" "_" }}
{{- end }}

{{/* A label may have 63 characters and no digest: of the tag 1.0@sha256:… it has 1.0. */}}
{{- define "atoll.labels" -}}
{{ include "atoll.selector" . }}
app.kubernetes.io/part-of: atoll
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ regexFind "^[A-Za-z0-9._-]+" .Values.image.tag | trunc 63 | trimAll "._-" | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "atoll.selector" -}}
app.kubernetes.io/name: {{ include "atoll.service" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "atoll.secretVariables" -}}
{{- range $secret, $variables := . }}
{{- range $variables }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* A value may use $(NAME) of a variable that stands before it: secrets come first. */}}
{{- define "atoll.env" -}}
{{- $prefix := include "atoll.prefix" . }}
- name: ATOLL_HOME
  value: /tmp
- name: HOME
  value: /tmp
- name: SERVICE_VERSION
  value: {{ .Values.image.tag | quote }}
- name: ADVERTISE_HOST
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- include "atoll.secretVariables" .Values.secrets }}
{{- with .Values.database }}
{{- if .secret }}
- name: {{ $prefix }}_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- with .Values.broker }}
{{- if .host }}
- name: {{ $prefix }}_RABBITMQ_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ required "broker.passwordSecret must be set beside broker.host" .passwordSecret }}
      key: {{ $prefix }}_RABBITMQ_PASSWORD
- name: {{ $prefix }}_RABBITMQ_URL
  value: amqp://{{ include "atoll.service" $ }}:$({{ $prefix }}_RABBITMQ_PASSWORD)@{{ .host }}:{{ .port }}//
{{- end }}
{{- end }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "atoll.podSecurity" -}}
automountServiceAccountToken: false
# Or a Service named registry would set REGISTRY_PORT.
enableServiceLinks: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.runAsUser }}
  fsGroup: {{ .Values.runAsUser }}
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: {{ .Values.tmpSize }}}
{{- end }}

{{- define "atoll.container" -}}
image: {{ required "image.repository must be set" .Values.image.repository }}:{{ .Values.image.tag }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{/* Kubernetes would refuse these bounds, and the release would be half made. */}}
{{- define "atoll.bounds" -}}
{{- if gt (int .values.minReplicas) (int .values.maxReplicas) }}
{{- fail (printf "%s.autoscaling.minReplicas is more than maxReplicas" .component) }}
{{- end }}
{{- end }}

{{- define "atoll.placement" -}}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .root.Values.topologySpread }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "atoll.selector" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- end }}
