#!/usr/bin/env python
"""Start everything behind the site: all workers, beat, the recorder, metrics, and Flower on port 5555.

What is started stands in celeriac.toml. Ctrl-C stops it all, and lets tasks finish. Options are those of
`celeriac up`, like --reload or --scale low=2.
"""

import os
import subprocess
import sys
from pathlib import Path

MANAGE = [sys.executable, str(Path(__file__).with_name("manage.py"))]

if __name__ == "__main__":
    if subprocess.run([*MANAGE, "migrate", "--check", "-v", "0"], check=False).returncode:
        sys.exit("The database is not up to date: run  python manage.py migrate")
    os.execv(sys.executable, [*MANAGE, "celeriac", "up", *sys.argv[1:]])
