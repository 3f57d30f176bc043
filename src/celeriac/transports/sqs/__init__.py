"""The SQS broker: kombu's transport for sending, and a way of receiving that comes back after an outage.

A thread a queue asks SQS for messages (`receiving`); who holds one keeps it hidden from others for as long as it lives
(`leases`); a message that is not due yet goes back to wait at SQS (`delays`).
"""

from __future__ import annotations

import importlib.util

from celeriac.errors import BrokerError

# Here, because kombu's transport imports it before anything of ours could say so.
if importlib.util.find_spec("boto3") is None:
    raise BrokerError(
        "BROKER-060",
        "an sqs:// broker needs the package boto3, which is not installed.",
        fix="pip install 'celeriac[sqs]'",
    )
