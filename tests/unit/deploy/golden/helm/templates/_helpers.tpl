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
