"""Every error Celeriac raises: a code, what happened, where, the known values and the remedy.

    CeleriacError
    ├── PlanError            PLAN-…    the plan cannot be read or does not hold together (carries all problems)
    ├── AppError             APP-…     the Celery app cannot be found, built or adopted
    ├── SecurityError        SEC-…     a task cannot be sealed, signed or opened
    │   └── MessageRefused             a message must not be run; `reason` is that of its letter
    ├── SendingError         SEND-…    a task could not be sent, or what was kept of it cannot be read
    ├── BrokerError          BROKER-…  the embedded broker refuses or cannot work
    ├── ResultsError         RESULT-…  the result backend cannot work
    ├── RecordsError         RECORD-…  the durable records cannot be opened, read or written
    │   └── RecordsUnavailable         not now (locked, server gone, disk full); trying again may help
    ├── LetterError          LETTER-…  a dead letter cannot be found, mended or replayed
    ├── CoordinationError    COORD-…   the store that processes agree by cannot be opened or used
    │   └── CoordinationUnavailable    not now (locked, server gone); trying again may help
    ├── FlowError            FLOW-…    what may not run now, or cannot be held back as asked
    │   └── NotNow                     it must wait; `wait` says how long
    │       └── BreakerOpen            its circuit breaker is open
    ├── MetricsError         METRICS-… metrics and health cannot be served
    ├── ScheduleError        SCHED-…   a schedule cannot be read, asked or led
    ├── IntegrationError     WEB-…     a web framework's settings do not make one project
    ├── TaskError        TASK-…   a task ended, or was asked for, in a way that has no outcome
    ├── DeployError      DEPLOY-… the plan cannot be rendered for a target, or not written
    ├── TestingError         TEST-…    the tests ask for what cannot be set up
    ├── AdoptError           ADOPT-…   an existing project cannot be adopted; from 100 on: what is worth changing in it
    ├── TutorialError        TUTOR-…   the tutorial cannot be played, or what it announced did not happen
    ├── ScaffoldError        NEW-…     a project cannot be generated or updated
    └── SuperviseError       UP-…      `celeriac up` or a command cannot do what was asked

A subclass exists where a caller would do something else about it. Codes are listed in docs/reference/errors.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

#: a warning is said, but stops nothing
Severity = Literal["error", "warning"]

# Up to the last @ of the word: people forget to quote an @ or a slash in a password. Rather a path too much is hidden.
_CREDENTIALS = re.compile(r"""(?<=://)([^/@\s:]*):([^\s'",;]*)@""")


def redacted(url: str) -> str:
    """Give the URL with its password hidden, fit for logs and messages."""
    return _CREDENTIALS.sub(lambda found: f"{found[1]}:***@", url)


class CeleriacError(Exception):
    """An error that says what, where, the known values, and how to mend it.

    code: stable, unique, like "PLAN-012"; what users search for.
    at: where, like "celeriac.toml:41, [pools.images].queues".
    known: the values that would have been accepted.
    fix: one imperative sentence.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        at: str | None = None,
        known: Iterable[str] = (),
        fix: str | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = redacted(message)
        self.at = at
        self.known = tuple(known)
        self.fix = fix

    def __str__(self) -> str:
        lines = [f"{self.code} {self.message}"]
        if self.at:
            lines.append(f"  at: {self.at}")
        if self.known:
            lines.append(f"  known: {', '.join(self.known)}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class AppError(CeleriacError):
    """The Celery app cannot be found, built or adopted."""


class LetterError(CeleriacError):
    """A dead letter cannot be found, mended or replayed."""


class RecordsError(CeleriacError):
    """The durable records cannot be opened, read or written."""


class RecordsUnavailable(RecordsError):
    """The records cannot be used now (locked, server gone, disk full); trying again may help."""


class CoordinationError(CeleriacError):
    """The store that processes agree by cannot be opened or used."""


class CoordinationUnavailable(CoordinationError):
    """The coordination store cannot be used now (locked, server gone); trying again may help."""


class ScheduleError(CeleriacError):
    """A schedule cannot be read, asked or led."""


class IntegrationError(CeleriacError):
    """A web framework's settings do not make one project."""


class TaskError(CeleriacError):
    """A task ended, or is waited for, in a way that has no outcome of its own."""


class DeployError(CeleriacError):
    """The plan cannot be rendered for a target, or the files not be written."""


class TestingError(CeleriacError):
    """The tests ask for what cannot be set up."""

    __test__ = False  # pytest would take the class for a test


class AdoptError(CeleriacError):
    """An existing project cannot be adopted."""


class TutorialError(CeleriacError):
    """The tutorial cannot be played, or what it announced did not happen."""


class FlowError(CeleriacError):
    """Something may not run now, or cannot be held back as asked."""


class NotNow(FlowError):
    """Something may not run now. Raised in a task, it sends the task back to the broker, to wait there.

    wait: how long; a guess is enough.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        wait: timedelta = timedelta(seconds=5),
        at: str | None = None,
        known: Iterable[str] = (),
        fix: str | None = None,
    ) -> None:
        super().__init__(code, message, at=at, known=known, fix=fix)
        self.wait = wait


class BreakerOpen(NotNow):
    """A circuit breaker is open: what it guards is not called."""


class ScaffoldError(CeleriacError):
    """A project cannot be generated or updated."""


class SuperviseError(CeleriacError):
    """`celeriac up`, or a command, cannot do what was asked."""


class AlreadyRunning(SuperviseError):
    """Another `celeriac up` runs in this project's folder."""


class CommandError(SuperviseError):
    """The command line asks for what is not there, or cannot be read; nothing was done."""


class MetricsError(CeleriacError):
    """Metrics and health cannot be served."""


class SecurityError(CeleriacError):
    """A task cannot be sealed, signed or opened, or this program may not send it."""


class MessageRefused(SecurityError):
    """A message must not be run.

    reason: "forged" (it is not what its sender sent), "forbidden" (its sender may not send that) or "unreadable" (it is
    sealed with a key that is not here).
    """

    def __init__(self, code: str, message: str, *, reason: str, fix: str | None = None) -> None:
        super().__init__(code, message, fix=fix)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return _refused, (self.code, self.message, self.reason, self.fix)


def _refused(code: str, message: str, reason: str, fix: str | None) -> MessageRefused:
    return MessageRefused(code, message, reason=reason, fix=fix)


class SendingError(CeleriacError):
    """A task could not be sent, or what is kept of it on the sender's disk cannot be used."""


class BrokerError(CeleriacError):
    """The embedded broker refuses or cannot work."""


class BrokerUnavailable(BrokerError):
    """The broker's file cannot be used now (locked, disk full, not writable); trying again may help."""


class BrokerCorrupt(BrokerError):
    """The broker's file is not a broker, or is damaged; it was left as it was."""


class QueueFull(BrokerError):
    """A bounded queue has no room for the message; nothing was sent. queue: its name."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        queue: str = "",
        at: str | None = None,
        known: Iterable[str] = (),
        fix: str | None = None,
    ) -> None:
        super().__init__(code, message, at=at, known=known, fix=fix)
        self.queue = queue


class ResultsError(CeleriacError):
    """The result backend cannot work."""


class ResultsUnavailable(ResultsError):
    """The results file cannot be used now (locked, disk full, input or output failed); trying again may help."""


class ResultsCorrupt(ResultsError):
    """The results file is damaged, or no SQLite database; it was left as it was."""


class PlanError(CeleriacError):
    """The plan has problems; all of them are in `problems`, each a PlanError of one problem.

    severity: "error" (nothing runs on this plan) or "warning" (it runs, but not as one may think).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        at: str | None = None,
        known: Iterable[str] = (),
        fix: str | None = None,
        severity: Severity = "error",
        problems: Iterable[PlanError] = (),
    ) -> None:
        super().__init__(code, message, at=at, known=known, fix=fix)
        self.severity: Severity = severity
        self.problems = tuple(problems) or (self,)

    def __str__(self) -> str:
        if self.problems == (self,):
            return super().__str__()
        return "\n".join(str(problem) for problem in self.problems)
