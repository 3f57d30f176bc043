"""The tasks, by the queue they go to; celeriac.toml says what becomes of each."""
