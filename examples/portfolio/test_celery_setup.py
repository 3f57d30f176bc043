#!/usr/bin/env python
"""Go through the checklist of the site's background tasks, on what runs: python start_celery_services.py.

Without anything running:  python manage.py celeriac up -- python test_celery_setup.py
Marks: [x] holds, [~] holds by its fallback, [ ] does not. Exit code 1 if an item does not hold.
"""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_site.settings.base")


def main() -> int:
    django.setup()
    from apps.main.checklist import ITEMS, FellBack

    failed = 0
    for item in ITEMS:
        title = (item.__doc__ or "").rstrip(".")
        try:
            found, mark = item(), "x"
        except FellBack as means:
            found, mark = str(means), "~"
        except Exception as error:  # one item that fails does not hide the others
            found, mark = f"{type(error).__name__}: {error}", " "
            failed += 1
        print(f"[{mark}] {title:<44} {found}", flush=True)
    print(f"\n{len(ITEMS) - failed} of {len(ITEMS)} hold.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
