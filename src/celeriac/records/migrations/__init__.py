"""The steps from one schema of the records to the next, run by alembic when the records are first opened."""
