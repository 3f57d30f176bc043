"""Celeriac in a Django project: put `celeriac.integrations.django` into INSTALLED_APPS.

In flow Django's settings (CELERIAC_PLAN or CELERIAC, and the usual CELERY_*); out flow one Celery app that follows the
plan, `manage.py celeriac`, the plan's problems among Django's checks, the dead letters in the admin, and a backend for
`django.tasks`. A plan that cannot be read stops the site at its start, and is worded by `manage.py check`.
"""
