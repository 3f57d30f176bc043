"""Celeriac inside web frameworks: Django, Flask, FastAPI and any ASGI app.

In flow a framework's own settings and its command line; out flow one adopted Celery app, tasks that run as that
framework needs it, and what an operator sees and presses inside it. Every framework is an extra, and imported only
where it is used. A plan with problems is raised before anything is sent on settings nobody asked for.
"""
