{{- /* Whether something else counts the pods: the replicas are two bounds, and not the same. */}}
{{- define "celeriac.isScaled" }}
{{- if kindIs "map" . }}{{ if ne (int .min) (int .max) }}yes{{ end }}{{ end }}
{{- end }}
{{- define "celeriac.replicas" }}
{{- if kindIs "map" . }}{{ int .min }}{{ else }}{{ int . }}{{ end }}
{{- end }}
{{- /* The variables of every container: each by reference to the secret, none by value. */}}
{{- define "celeriac.environment" }}
{{- range .Values.variables }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secret | quote }}
      key: {{ .name }}
      optional: {{ .optional }}
{{- end }}
{{- with .Values.environment }}
- name: CELERIAC_ENV
  value: {{ . | quote }}
{{- end }}
{{- end }}
