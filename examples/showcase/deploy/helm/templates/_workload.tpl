{{- /* The objects of one pool. root: the chart's; name: of the pool; pool: its values; kind: of its work. */}}
{{- define "celeriac.workload" }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .pool.name | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    app.kubernetes.io/name: showcase
    app.kubernetes.io/component: {{ .pool.component | quote }}
    app.kubernetes.io/part-of: showcase
    app.kubernetes.io/managed-by: celeriac
spec:
{{- if not (include "celeriac.isScaled" .pool.replicas | trim) }}
  replicas: {{ include "celeriac.replicas" .pool.replicas | trim }}
{{- end }}
  revisionHistoryLimit: 5
  minReadySeconds: 10
  progressDeadlineSeconds: 600
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: showcase
      app.kubernetes.io/component: {{ .pool.component | quote }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: showcase
        app.kubernetes.io/component: {{ .pool.component | quote }}
        app.kubernetes.io/part-of: showcase
        app.kubernetes.io/managed-by: celeriac
      annotations:
        checksum/plan: {{ .root.Files.Get "files/celeriac.toml" | sha256sum | quote }}
    spec:
      serviceAccountName: showcase
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ int .pool.terminationGracePeriodSeconds }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile:
          type: RuntimeDefault
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: showcase
              app.kubernetes.io/component: {{ .pool.component | quote }}
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: showcase
              app.kubernetes.io/component: {{ .pool.component | quote }}
      # starts before the worker and ends after it, so that the last task is counted
      initContainers:
        - name: metrics
          image: {{ .root.Values.image | quote }}
          restartPolicy: Always
          command: [celeriac, metrics, --counts-only, --address, 0.0.0.0:9540]
          env:
{{ include "celeriac.environment" .root | trim | indent 12 }}
          ports:
            - name: metrics
              containerPort: 9540
          resources:
            requests:
              cpu: 10m
              memory: 96Mi
            limits:
              memory: 192Mi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: state
              mountPath: /app/.celeriac
            - name: tmp
              mountPath: /tmp
            - name: media
              mountPath: /app/media
            - name: logs
              mountPath: /app/logs
            - name: plan
              mountPath: /app/celeriac.toml
              subPath: celeriac.toml
              readOnly: true
      containers:
        - name: celeriac
          image: {{ .root.Values.image | quote }}
          command: [celeriac, worker, {{ .name | quote }}]
          env:
{{ include "celeriac.environment" .root | trim | indent 12 }}
          startupProbe:
            exec:
              command: [celeriac, probe]
            periodSeconds: 2
            failureThreshold: 60
            timeoutSeconds: 5
          livenessProbe:
            exec:
              command: [celeriac, probe]
            periodSeconds: 10
            failureThreshold: 3
            timeoutSeconds: 5
          readinessProbe:
            exec:
              command: [celeriac, probe, --ready]
            periodSeconds: 5
            failureThreshold: 2
            timeoutSeconds: 5
          lifecycle:
            # takes no more, and ends when what it runs has ended
            preStop:
              exec:
                command: [celeriac, drain]
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: state
              mountPath: /app/.celeriac
            - name: tmp
              mountPath: /tmp
            - name: media
              mountPath: /app/media
            - name: logs
              mountPath: /app/logs
            - name: plan
              mountPath: /app/celeriac.toml
              subPath: celeriac.toml
              readOnly: true
{{- with .pool.resources | default .kind.resources }}
          resources:
{{ toYaml . | indent 12 }}
{{- end }}
      volumes:
        - name: state
          emptyDir: {}
        - name: tmp
          emptyDir: {}
        - name: media
          # media/ is each pod's own and goes with it: what is to stay belongs elsewhere, or into a claim
          emptyDir: {}
        - name: logs
          # logs/ is each pod's own and goes with it: what is to stay belongs elsewhere, or into a claim
          emptyDir: {}
        - name: plan
          configMap:
            name: showcase-plan
{{- with .kind.nodeSelector }}
      nodeSelector:
{{ toYaml . | indent 8 }}
{{- end }}
{{- with .kind.tolerations }}
      tolerations:
{{ toYaml . | indent 8 }}
{{- end }}
{{- with .kind.affinity }}
      affinity:
{{ toYaml . | indent 8 }}
{{- end }}
{{- if .kind.priorityClassName }}
      priorityClassName: {{ .kind.priorityClassName | quote }}
{{- end }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .pool.name | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    app.kubernetes.io/name: showcase
    app.kubernetes.io/component: {{ .pool.component | quote }}
    app.kubernetes.io/part-of: showcase
    app.kubernetes.io/managed-by: celeriac
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: showcase
      app.kubernetes.io/component: {{ .pool.component | quote }}
{{- end }}
