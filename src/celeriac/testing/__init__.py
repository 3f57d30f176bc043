"""Public means to test a project's tasks; nothing in celeriac imports it."""
