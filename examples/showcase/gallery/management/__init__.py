"""The gallery's commands in `manage.py`."""
