"""One trace from send to run, across retries and canvas, by OpenTelemetry.

Celery's signals open a span for each send and each run; the send's context travels in the message's headers
(`traceparent`, as W3C says), so that the run is its child. A retry and the next step of a chain or chord are sent
within the run before, and so belong to the same trace. OpenTelemetry's own Celery instrumentation is not used: a send
by name, or one that fails, leaves its span open and current for whatever the process does next.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from uuid import UUID

from celery import Celery, signals, states

from celeriac.errors import AppError, redacted
from celeriac.plan import Plan, Tracing

#: sends under way at once; what is pushed out has failed without a word
_OPEN_MAX = 1000
_FLUSH_MS = 2000
_RUN = "celeriac_span"


def trace_tasks(app: Celery, plan: Plan) -> None:
    """Trace what the app's processes send and run, if the plan has `[tracing]`.

    Raises: AppError if OpenTelemetry is not installed.
    """
    if plan.tracing is None:
        return
    try:
        from celeriac.observe.spans import provider_for  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise AppError(
            "APP-040",
            f'the plan traces tasks, but there is no module "{error.name}"',
            at="[tracing]",
            fix="pip install 'celeriac[otel]', or remove the table",
        ) from error
    Tracer(plan.tracing, provider_for(plan)).connect()


class Tracer:
    """Opens and closes spans by Celery's signals.

    provider: OpenTelemetry's, which says where spans go.
    """

    def __init__(self, tracing: Tracing, provider: Any) -> None:
        from opentelemetry import context, propagate, trace  # noqa: PLC0415 - an extra

        self._trace = trace
        self._context = context
        self._propagate = propagate
        self._provider = provider
        self._tracer = provider.get_tracer("celeriac")
        self._sample = tracing.sample / 100
        self._open: OrderedDict[tuple[str, int], Any] = OrderedDict()

    def connect(self) -> None:
        """Listen from now on; connecting again replaces the listener."""
        for signal, receiver in (
            (signals.before_task_publish, self.on_send),
            (signals.after_task_publish, self.on_sent),
            (signals.task_prerun, self.on_start),
            (signals.task_postrun, self.on_end),
            (signals.task_failure, self.on_failure),
            (signals.worker_process_shutdown, self.flush),
            (signals.worker_shutdown, self.flush),
        ):
            uid = f"celeriac.observe.tracing:{receiver.__name__}"
            signal.disconnect(dispatch_uid=uid)
            signal.connect(receiver, weak=False, dispatch_uid=uid)

    def on_send(self, sender: Any = None, headers: Any = None, routing_key: Any = None, **_: Any) -> None:
        """Open the span of a send, and have the message carry it."""
        if not isinstance(headers, dict):
            return
        span = self._tracer.start_span(
            f"send {sender}",
            context=self._parent_of(headers),
            kind=self._trace.SpanKind.PRODUCER,
            attributes={
                "messaging.system": "celery",
                "messaging.operation.name": "send",
                "messaging.destination.name": str(routing_key or ""),
                "messaging.message.id": str(headers.get("id")),
                "celery.task": str(sender),
                "celery.attempt": (headers.get("retries") or 0) + 1,
            },
        )
        # Never made current: if the broker refuses, nothing tells us so, and it would stay so.
        self._propagate.inject(headers, context=self._trace.set_span_in_context(span))
        self._open[_key(headers)] = span
        if len(self._open) > _OPEN_MAX:
            self._open.popitem(last=False)[1].end()

    def on_sent(self, headers: Any = None, **_: Any) -> None:
        """Close the span of a send that the broker has accepted."""
        span = self._open.pop(_key(headers), None) if isinstance(headers, dict) else None
        if span is not None:
            span.end()

    def on_start(self, task: Any, task_id: str, **_: Any) -> None:
        """Open the span of a run, as the child of its send, and make it current."""
        request = task.request
        fields = self._propagate.get_global_textmap().fields
        carrier = {name: request.get(name) for name in fields if isinstance(request.get(name), str)}
        span = self._tracer.start_span(
            f"run {task.name}",
            context=self._propagate.extract(carrier),
            kind=self._trace.SpanKind.CONSUMER,
            attributes={
                "messaging.system": "celery",
                "messaging.operation.name": "process",
                "messaging.destination.name": str((request.delivery_info or {}).get("routing_key") or ""),
                "messaging.message.id": task_id,
                "celery.task": task.name,
                "celery.attempt": (request.retries or 0) + 1,
                "celery.worker": str(request.hostname or ""),
            },
        )
        setattr(request, _RUN, (span, self._context.attach(self._trace.set_span_in_context(span))))

    def on_failure(self, sender: Any = None, exception: Any = None, **_: Any) -> None:
        """Note on the run's span what it failed with."""
        span, _token = getattr(getattr(sender, "request", None), _RUN, (None, None))
        if span is not None and isinstance(exception, BaseException):
            said = redacted(str(exception))
            span.record_exception(
                exception,
                {"exception.message": said, "exception.stacktrace": redacted(_traceback(exception))},
            )
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, said))

    def on_end(self, task: Any, state: str | None = None, **_: Any) -> None:
        """Close the span of a run."""
        opened: Any = getattr(task.request, _RUN, None)
        if opened is None:
            return
        span, token = opened
        delattr(task.request, _RUN)
        span.set_attribute("celery.state", state or "")
        if state == states.SUCCESS:
            span.set_status(self._trace.Status(self._trace.StatusCode.OK))
        self._context.detach(token)
        span.end()

    def flush(self, **_: Any) -> None:
        """Send the last spans of a process that ends; a pool process leaves without its exit handlers."""
        flush = getattr(self._provider, "force_flush", None)
        if flush is not None:
            flush(_FLUSH_MS)

    def _parent_of(self, headers: dict[str, Any]) -> Any:
        """Give the context to send in: the current one, else one that all parts of a group share."""
        if self._trace.get_current_span().get_span_context().is_valid or not headers.get("group"):
            return None
        try:
            group = UUID(str(headers["group"]))
        except ValueError:
            return None
        is_sampled = (group.int & (2**64 - 1)) < self._sample * 2**64
        shared = self._trace.SpanContext(
            trace_id=group.int,
            span_id=(group.int >> 64) or 1,
            is_remote=True,
            trace_flags=self._trace.TraceFlags(1 if is_sampled else 0),
        )
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(shared))


def _key(headers: dict[str, Any]) -> tuple[str, int]:
    return str(headers.get("id")), headers.get("retries") or 0


def _traceback(error: BaseException) -> str:
    import traceback  # noqa: PLC0415 - of failures only

    return "".join(traceback.format_exception(error))
