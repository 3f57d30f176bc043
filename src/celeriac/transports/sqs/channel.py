"""The kombu channel of the SQS broker, as consumers use it: receivers, leases, acks."""

from __future__ import annotations

import binascii
import time
from collections.abc import Callable
from typing import Any

from kombu.transport import virtual

from celeriac.events import emit
from celeriac.transports.payload import MalformedEnvelope, decode, to_letter
from celeriac.transports.sqs.delays import hiding_of
from celeriac.transports.sqs.leases import LEASE_S, Leases
from celeriac.transports.sqs.queues import QueueChannel
from celeriac.transports.sqs.receiving import WAIT_S, Receiver


class Channel(QueueChannel):
    """A channel whose threads receive; its transport delivers, in the thread of the consumer."""

    default_wait_time_seconds = WAIT_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receivers: dict[str, Receiver] = {}
        self._ended: list[Receiver] = []
        # For threads, which may outlive the connection by a call.
        self._clients: dict[str, Any] = {}
        self._leases = Leases(
            self._clients.__getitem__,
            lambda: self.qos.prefetch_count,
            int(self.transport_options.get("lease", LEASE_S)),
        )

    # Consuming.

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[..., Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        # Past kombu's channel, which would begin to poll from the event loop.
        virtual.Channel.basic_consume(self, queue, no_ack, callback, consumer_tag, **kwargs)
        if queue not in self._receivers:
            self._url(queue)
            self._receivers[queue] = Receiver(
                queue,
                url=lambda: self._url(queue),
                receive=lambda url, count, wait_s: self._receive(url, count, wait_s, is_leased=not no_ack),
                take=lambda url, message: self._take(url, queue, message, is_leased=not no_ack),
                leases=None if no_ack else self._leases,
                wait_s=int(self.wait_time_seconds),
            )

    def basic_cancel(self, consumer_tag: str) -> None:
        queue = self._tag_to_queue.get(consumer_tag)
        virtual.Channel.basic_cancel(self, consumer_tag)
        if queue is not None and queue not in self._active_queues:
            receiver = self._receivers.pop(queue, None)
            if receiver is not None:
                receiver.stop()
                self._ended.append(receiver)

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self._leases.notice()

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        url = self._url(queue)
        for message in self._receive(url, 1, 0, is_leased=not no_ack):
            payload = self._payload(url, queue, message, is_leased=not no_ack)
            if payload is not None:
                if not no_ack:
                    self._leases.hold(url, [message["ReceiptHandle"]])
                got = self.Message(payload, channel=self)
                if not no_ack:
                    self.qos.append(got, got.delivery_tag)
                return got
        return None

    def close(self) -> None:
        """Give back what was not settled. Takes as long as SQS was told to wait for messages, at most."""
        if self.closed:
            return
        receivers = [*self._receivers.values(), *self._ended]
        for receiver in receivers:
            receiver.stop()
        for receiver in receivers:
            receiver.join()
        self.connection.give_back(self)
        super().close()
        self._leases.close()

    # Settling.

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        url = self._queue_url_of(delivery_tag)
        if url is not None:
            self._leases.settle(url, delivery_tag)
            self.qos.ack(delivery_tag)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        url = self._queue_url_of(delivery_tag)
        if url is None:
            return
        queue = self.qos.get(delivery_tag).delivery_info.get("routing_key")
        if requeue:
            self.give_back(url, delivery_tag)
        elif self.qos.is_backoff_task(delivery_tag) or self._has_redrive_policy(queue, url):
            # The team has told SQS what is to become of it.
            self._leases.leave(delivery_tag)
            self.qos.reject(delivery_tag)
            return
        else:
            self._leases.settle(url, delivery_tag)
        self.qos.ack(delivery_tag)

    def give_back(self, url: str, handle: str) -> None:
        """Have SQS show a message to others at once."""
        self._leases.hide(url, handle, 0)

    def _restore(self, message: Any, *args: Any) -> None:
        """Give back what a channel that closes has not settled."""
        self.give_back(message.delivery_info["sqs_queue"], message.delivery_tag)

    def _queue_url_of(self, delivery_tag: str) -> str | None:
        try:
            return str(self.qos.get(delivery_tag).delivery_info["sqs_queue"])
        except KeyError:
            return None

    # In the receivers' threads.

    def _url(self, queue: str) -> str:
        url = self._new_queue(queue)
        if url not in self._clients:
            self._clients[url] = self.sqs(queue=self.canonical_queue_name(queue))
        return url

    def _receive(self, url: str, count: int, wait_s: int, *, is_leased: bool) -> list[dict[str, Any]]:
        found = self._clients[url].receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=count,
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=self._leases.lease_s,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages: list[dict[str, Any]] = found.get("Messages", [])
        if not is_leased:
            for message in messages:
                self._leases.settle(url, message["ReceiptHandle"])
        return messages

    def _take(self, url: str, queue: str, message: dict[str, Any], *, is_leased: bool) -> None:
        """Hand a message to the consumer; one that is due later is hidden again, for as long as SQS hides it."""
        payload = self._payload(url, queue, message, is_leased=is_leased)
        if payload is None:
            return
        hiding_s = hiding_of(payload["headers"]) if is_leased else None
        if hiding_s is not None:
            self._leases.hide(url, message["ReceiptHandle"], hiding_s)
        else:
            self.connection.arrived(self, queue, payload)

    def _payload(
        self, url: str, queue: str, message: dict[str, Any], *, is_leased: bool
    ) -> dict[str, Any] | None:
        """Read what was received as kombu's payload; what is none becomes a letter, and None is given."""
        raw = self._decode_python_message_body(message["Body"])
        handle = message["ReceiptHandle"]
        try:
            payload = self._read(raw)
        except MalformedEnvelope as error:
            if is_leased:
                self._set_aside(queue, raw, message["MessageId"], str(error))
                self._leases.settle(url, handle)
            return None
        properties = payload["properties"]
        properties["delivery_tag"] = handle
        if is_leased:
            receives = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
            told = {"ReceiptHandle": handle, "Attributes": {"ApproximateReceiveCount": str(receives)}}
            properties["delivery_info"] |= {
                "sqs_message": told,
                "sqs_queue": url,
                "redelivered": receives > 1,
            }
        return payload

    def _read(self, raw: bytes) -> dict[str, Any]:
        """Read an envelope, as strictly as kombu needs it to be.

        Raises: MalformedEnvelope, whatever the bytes are.
        """
        payload = decode(raw)
        properties = payload["properties"]
        if not isinstance(properties.setdefault("delivery_info", {}), dict):
            raise MalformedEnvelope('"delivery_info" is no object')
        try:
            self.decode_body(payload.get("body"), properties.get("body_encoding"))
        except (binascii.Error, AttributeError, TypeError, ValueError) as error:
            raise MalformedEnvelope(f"the body cannot be decoded: {error}") from error
        return payload

    def _set_aside(self, queue: str, raw: bytes, message_id: str, why: str) -> None:
        letters = self.transport_options.get("letters_queue", "celeriac.dead")
        whole, body, _ = to_letter(
            None,
            raw,
            named_after=message_id,
            reason="malformed",
            why=why,
            queue=queue,
            deliveries=0,
            now=time.time(),
        )
        letter = self.prepare_message(
            body,
            content_type=whole["content-type"],
            content_encoding=whole["content-encoding"],
            headers=whole["headers"],
        )
        self.basic_publish(letter, "", letters)
        emit("broker", "broker.set_aside", queue=queue, reason=why)
