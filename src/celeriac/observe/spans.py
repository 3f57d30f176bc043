"""Where spans go: the provider of OpenTelemetry's SDK. Importing this needs the extra `otel`."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from celeriac.plan import Plan


def provider_for(plan: Plan) -> Any:
    """Give the provider that the plan's `[tracing]` asks for; the process's own where it names no endpoint.

    With an endpoint it becomes the process's own too, unless there is one: so spans of other instrumentations (HTTP,
    database) join the same traces.
    """
    assert plan.tracing is not None
    if not plan.tracing.endpoint:
        return trace.get_tracer_provider()
    provider = TracerProvider(
        resource=Resource.create({SERVICE_NAME: plan.name}),
        sampler=ParentBased(TraceIdRatioBased(plan.tracing.sample / 100)),
    )
    endpoint = f"{plan.tracing.endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return provider
