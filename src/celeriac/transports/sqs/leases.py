"""What one channel has received and not settled, kept hidden from other workers while this process lives.

SQS shows a message again when its visibility timeout ends, whoever still works on it. Here that timeout is a lease of
a minute, taken with each receive and renewed by a thread for as long as the message is held: tasks may run for hours,
and what a killed worker held comes back within the minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from celeriac.events import emit
from celeriac.transports.sqs.trouble import FAILURES, code_of

#: SQS takes this many messages in one call
BATCH_MAX = 10
#: how long a message is hidden, unless the transport option `lease` says otherwise, seconds
LEASE_S = 60


class Leases:
    """The held messages of a channel: receipt handle → URL of its queue. Used by all its threads.

    client: gives the boto3 client for a queue's URL. limit: gives how many may be held; 0 for any number.
    """

    def __init__(
        self, client: Callable[[str], Any], limit: Callable[[], int], lease_s: int = LEASE_S
    ) -> None:
        self.lease_s = lease_s
        self._client = client
        self._limit = limit
        self._changed = threading.Condition()
        # One call about a message at a time: a late renewal must not hide what was given back.
        self._calling = threading.Lock()
        self._held: dict[str, str] = {}
        # What was acked, and could not be deleted yet.
        self._owed: dict[str, str] = {}
        self._claimed = 0
        self._thread: threading.Thread | None = None
        self._is_closed = False

    # How much may be received.

    def room(self) -> int:
        """Say how many messages may be asked for now; SQS gives ten at once at most."""
        with self._changed:
            return self._room()

    def claim(self, patience_s: float) -> int:
        """Wait for room, and keep it free for the caller, who gives it back by `unclaim`.

        Returns: for how many messages; 0 if there was none in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._room(), patience_s)
            claimed = 0 if self._is_closed else self._room()
            self._claimed += claimed
            return claimed

    def unclaim(self, claimed: int) -> None:
        """Give back what `claim` gave, after what was received is held."""
        with self._changed:
            self._claimed -= claimed
            self._changed.notify_all()

    def notice(self) -> None:
        """Look again at how many may be held."""
        with self._changed:
            self._changed.notify_all()

    def _room(self) -> int:
        limit = self._limit()
        return BATCH_MAX if not limit else max(min(limit - len(self._held) - self._claimed, BATCH_MAX), 0)

    # What is held.

    def hold(self, url: str, handles: Iterable[str]) -> None:
        """Hold messages that were just received."""
        with self._changed:
            self._held |= dict.fromkeys(handles, url)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._keep, name="celeriac-sqs-leases", daemon=True)
                self._thread.start()

    def settle(self, url: str, handle: str) -> None:
        """Delete a message; what SQS does not take now stays hidden, and is tried again."""
        try:
            self._client(url).delete_message(QueueUrl=url, ReceiptHandle=handle)
        except FAILURES as error:
            emit("broker", "sqs.not_deleted", queue=name_of(url), error=error)
            with self._changed:
                self._owed[handle] = url
        self._forget(handle)

    def hide(self, url: str, handle: str, seconds: int) -> None:
        """Hold a message no longer, and have SQS show it again after so many seconds; 0 for at once.

        What SQS does not take now it shows when the lease ends.
        """
        with self._calling:
            self._forget(handle)
            try:
                self._client(url).change_message_visibility(
                    QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=seconds
                )
            except FAILURES as error:
                emit("broker", "sqs.not_given_back", queue=name_of(url), lease_s=self.lease_s, error=error)

    def leave(self, handle: str) -> None:
        """Hold a message no longer, and leave it to SQS when to show it again."""
        self._forget(handle)

    def close(self) -> None:
        """Renew nothing any more; what is still held comes back when its lease ends."""
        self._pay()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _forget(self, handle: str) -> None:
        with self._changed:
            self._held.pop(handle, None)
            self._changed.notify_all()

    # The thread.

    def _keep(self) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._is_closed, self.lease_s / 3):
                    return
            try:
                self._pay()
                self.renew()
            except Exception as error:
                # Of any kind: without renewals everything that is held would be run twice.
                emit("broker", "broker.trouble", error=error)

    def _pay(self) -> None:
        with self._changed:
            owed = dict(self._owed)
        for handle, url in owed.items():
            try:
                self._client(url).delete_message(QueueUrl=url, ReceiptHandle=handle)
            except FAILURES as error:
                if not code_of(error):
                    return  # SQS cannot be reached
            with self._changed:
                self._owed.pop(handle, None)

    def renew(self) -> None:
        """Renew the lease of everything that is held."""
        with self._changed:
            held = sorted({**self._held, **self._owed}.items(), key=lambda it: it[1])
        for url, group in groupby(held, key=lambda it: it[1]):
            handles = [handle for handle, _ in group]
            for start in range(0, len(handles), BATCH_MAX):
                self._renew(url, handles[start : start + BATCH_MAX])

    def _renew(self, url: str, handles: Sequence[str]) -> None:
        with self._calling:
            with self._changed:
                still = [handle for handle in handles if handle in self._held or handle in self._owed]
            if not still:
                return
            entries = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": self.lease_s}
                for number, handle in enumerate(still)
            ]
            try:
                answer = self._client(url).change_message_visibility_batch(QueueUrl=url, Entries=entries)
            except FAILURES as error:
                emit("broker", "sqs.not_renewed", queue=name_of(url), count=len(still), error=error)
                return
        for failed in answer.get("Failed", ()):
            with self._changed:
                # Most likely it was settled meanwhile.
                is_held = still[int(failed["Id"])] in self._held
            if is_held:
                reason = failed.get("Message") or failed.get("Code")
                emit("broker", "sqs.not_renewed", queue=name_of(url), count=1, error=reason)


def name_of(url: str) -> str:
    """Give the name of the queue at a URL."""
    return url.rpartition("/")[2]
