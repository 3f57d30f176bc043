"""worker-celery-etl: extract, transform, load; training; reports; by Celery, on the plan in celeriac.toml."""
