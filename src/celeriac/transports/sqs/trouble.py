"""SQS's errors in our words, each with its remedy."""

from __future__ import annotations

import re

from botocore import exceptions

from celeriac.errors import BrokerError, BrokerUnavailable

#: what a call to SQS raises
FAILURES = (exceptions.BotoCoreError, exceptions.ClientError)
_MISSING = ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
_REFUSED = (
    "AccessDenied",
    "AccessDeniedException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "UnrecognizedClientException",
)


def code_of(error: BaseException) -> str:
    """Give SQS's own code of its refusal; empty if it did not answer at all."""
    return str(error.response["Error"]["Code"]) if isinstance(error, exceptions.ClientError) else ""


def is_missing(error: BaseException) -> bool:
    """Say whether there is no such queue."""
    return code_of(error).rpartition("#")[2] in _MISSING


def explained(error: Exception, at: str) -> BrokerError:
    """Tell an error of SQS or of the way to it.

    at: the queue, or the region.
    """
    said = str(error).strip().rstrip(".") or type(error).__name__
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return BrokerUnavailable(
            "BROKER-061",
            "there are no AWS credentials.",
            at=at,
            fix="give the process a role, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write sqs://KEY:SECRET@",
        )
    if code_of(error) in _REFUSED:
        return BrokerUnavailable(
            "BROKER-062",
            f"SQS refuses this caller: {said}.",
            at=at,
            fix="check the credentials; docs/how-to/sqs.md lists what they must be allowed",
        )
    if re.search("must be shorter|too long|BatchRequestTooLong", said):
        return BrokerError(
            "BROKER-063",
            f"the message is too big for SQS: {said}.",
            at=at,
            fix="send where the data is instead of the data; base64 makes what is sent some three quarters bigger",
        )
    if is_missing(error):
        return BrokerUnavailable(
            "BROKER-064", "SQS has no such queue.", at=at, fix="let a worker make it, or make it yourself"
        )
    if code_of(error):
        return BrokerError("BROKER-065", f"SQS refused a step: {said}.", at=at)
    return BrokerUnavailable(
        "BROKER-066", f"SQS cannot be used now: {said}.", at=at, fix="see that it can be reached from here"
    )
