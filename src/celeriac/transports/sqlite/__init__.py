"""The embedded broker: a kombu transport over one SQLite file, for many processes of one machine.

In: kombu publishes, declares, consumes. Out: messages by lease, each held in the file until it is acked.
The file (`broker.db`) holds messages, queues, bindings and the consumers' leases; beside it `broker.db.d/` holds a
doorbell (a named pipe) and a page (what it is running) per consumer. When a process dies, its page's lock falls and
the next keeper gives its messages back; when it is only stopped, its lease lapses. Damage to the file is refused with
a coded error and the file left as it was. docs/internals/how-delivery-works.md tells the whole story.
"""
