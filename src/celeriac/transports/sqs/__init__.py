"""The SQS broker: kombu's transport for sending, and a way of receiving that comes back after an outage.

A thread a queue asks SQS for messages (`receiving`); who holds one keeps it hidden from others for as long as it lives
(`leases`); a message that is not due yet goes back to wait at SQS (`delays`).
"""
