"""Celeriac's commands in `manage.py`."""
