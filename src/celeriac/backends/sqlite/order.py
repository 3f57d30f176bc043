"""The order of writes (see `celeriac.backends.order`) in SQL."""

from __future__ import annotations

#: :line, :generation, :retries, :deliveries and :now, against a row of `results`
IS_EXPIRED = "(results.expires_at IS NOT NULL AND results.expires_at <= :now)"
IS_OVERTAKEN = """(results.line IS NOT NULL AND results.line IS :line
    AND (results.generation, results.retries, results.deliveries) > (:generation, :retries, :deliveries))"""

WRITE = f"""
INSERT INTO results (task_id, state, ready, payload, line, generation, retries, deliveries, expires_at)
VALUES (:task_id, :state, :ready, :payload, :line, :generation, :retries, :deliveries, :expires_at)
ON CONFLICT (task_id) DO UPDATE SET
    state = excluded.state,
    ready = excluded.ready,
    payload = excluded.payload,
    expires_at = excluded.expires_at,
    line = COALESCE(excluded.line, results.line),
    generation = COALESCE(excluded.generation, results.generation),
    retries = COALESCE(excluded.retries, results.retries),
    deliveries = COALESCE(excluded.deliveries, results.deliveries)
WHERE {IS_EXPIRED} OR (results.state <> 'SUCCESS' AND NOT {IS_OVERTAKEN})
"""

STANDING = f"SELECT state, payload, {IS_OVERTAKEN} FROM results WHERE task_id = :task_id AND NOT {IS_EXPIRED}"
