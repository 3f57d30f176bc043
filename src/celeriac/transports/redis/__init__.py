"""The Redis broker: a kombu transport that leases messages instead of popping them, on kombu's own lists.

In: kombu publishes, declares, consumes. Out: messages by lease, each on the server until it is acked. Stock Celery 5.7
producers and workers can share the queues. Every step of a message is one script in `scripts/`; the keys are in
`keys.py`, and docs/design/0004-redis-transport.md says what each crash leaves. When the server cannot be reached,
senders get a coded error and consumers keep what they hold and try on.
"""
