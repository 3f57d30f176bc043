"""Pools: executors of our own, each a Celery pool that `-P custom` names.

In: what Celery's consumer hands a pool (`apply_async` of its tracer, with callbacks). Out: the callbacks, called once
for every task that was accepted: accepted, then timed out or ended. A pool knows nothing of messages; acks, letters
and results are the request's and the tracer's, which run here unchanged.
"""
