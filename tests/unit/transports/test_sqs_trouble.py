"""SQS's errors, each told with its remedy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from celeriac.errors import BrokerUnavailable
from celeriac.transports.sqs.trouble import explained, is_missing

NO_BOTO3 = """\
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "boto3" else found(name, *rest)
import celeriac.transports.sqs.transport
"""


def refused(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "SendMessage")


@pytest.mark.parametrize(
    ("error", "code", "is_passing"),
    [
        (NoCredentialsError(), "BROKER-061", True),
        (refused("AccessDenied"), "BROKER-062", True),
        (refused("InvalidClientTokenId"), "BROKER-062", True),
        (refused("InvalidParameterValue", "Message must be shorter than 262144 bytes."), "BROKER-063", False),
        (refused("AWS.SimpleQueueService.NonExistentQueue"), "BROKER-064", True),
        (refused("com.amazonaws.sqs#QueueDoesNotExist"), "BROKER-064", True),
        (refused("OverLimit"), "BROKER-065", False),
        (EndpointConnectionError(endpoint_url="http://sqs"), "BROKER-066", True),
    ],
)
def test_each_error_has_its_code_and_says_whether_it_may_pass(
    error: Any, code: str, is_passing: bool
) -> None:
    told = explained(error, "jobs")
    assert told.code == code
    assert isinstance(told, BrokerUnavailable) == is_passing
    assert is_missing(error) == (code == "BROKER-064")


def test_without_boto3_the_extra_is_named() -> None:
    ended = subprocess.run([sys.executable, "-c", NO_BOTO3], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "BROKER-060" in ended.stderr
    assert "pip install 'celeriac[sqs]'" in ended.stderr
