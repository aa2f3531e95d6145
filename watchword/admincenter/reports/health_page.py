"""The Health page: what runs, what waits, and what an operator has to look at."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from watchword.admincenter.permissions import requires
from watchword.admincenter.reports import health_report
from watchword.directory.roles import Act

QUEUES, RUNS = health_report.QUEUE_NAMES, health_report.RUN_NAMES


@require_safe
@requires(Act.SEE_SIGN_INS)
def health(request: HttpRequest) -> HttpResponse:
    """Show the report of this moment."""
    report = health_report.read(now=timezone.now())
    context = {
        "here": "health",
        "report": report,
        "queues": [(QUEUES[queue.name](), queue, queue.is_late(report.at)) for queue in report.queues],
        "runs": [(RUNS[run.task](), run, run.is_late(report.at)) for run in report.runs],
    }
    return render(request, "admincenter/health.html", context)
