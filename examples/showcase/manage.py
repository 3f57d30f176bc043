"""Django's command line, for this site."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

from showcase import SETTINGS

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    execute_from_command_line(sys.argv)
