"""Spans of traces (OpenTelemetry), for those who have set where they go; otherwise nothing is imported (ADR 0098).

A span tells how long something took and how it ended. Its attributes are words of this program: no name, no address,
no number, and of an error its class alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from watchword import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

type Attribute = str | int | bool
type SetAttribute = Callable[[str, Attribute], object]
"""Adds an attribute to the span that is open, such as its result."""


class _Switch:
    """Whether this process traces, and with what."""

    tracer: Tracer | None = None
    shut_down: Callable[[], None] = staticmethod(lambda: None)


def _ignore(_name: str, _value: Attribute) -> None:
    """Take an attribute that nobody wants."""


_OFF = nullcontext(_ignore)


def span(name: str, **attributes: Attribute) -> AbstractContextManager[SetAttribute]:
    """Return the context of one span, which gives a function that adds attributes; off, it does nothing."""
    tracer = _Switch.tracer
    return _OFF if tracer is None else _span(tracer, name, attributes)


@contextmanager
def _span(tracer: Tracer, name: str, attributes: dict[str, Attribute]) -> Iterator[SetAttribute]:
    from opentelemetry.trace import StatusCode

    # The library would store the text of an exception, which may hold a number or a password.
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as open_span:
        try:
            yield open_span.set_attribute
        except Exception as error:
            open_span.set_status(StatusCode.ERROR, type(error).__name__)
            open_span.set_attribute("error.type", type(error).__name__)
            raise


def start(url: str, process: str, *, exporter: SpanExporter | None = None) -> None:
    """Send the spans of this process to an OTLP endpoint (HTTP) from now on; none for an empty URL. Call after a fork.

    Spans are sent by a thread of their own and dropped where the endpoint does not take them. ``exporter`` replaces the
    endpoint.
    """
    if not url and exporter is None:
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    resource = Resource({"service.name": f"watchword-{process}", "service.version": __version__})
    provider = TracerProvider(resource=resource)
    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    _Switch.tracer = provider.get_tracer("watchword", __version__)
    _Switch.shut_down = provider.shutdown


def stop() -> None:
    """Send what is left, and trace no more."""
    _Switch.tracer = None
    shut_down, _Switch.shut_down = _Switch.shut_down, staticmethod(lambda: None)
    shut_down()
