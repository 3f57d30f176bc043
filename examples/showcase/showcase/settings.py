"""Django's settings; everything about tasks is in celeriac.toml."""

from __future__ import annotations

import os
from pathlib import Path

from showcase.database import database

BASE_DIR = Path(__file__).resolve().parents[1]

SECRET_KEY = os.environ.get("SECRET_KEY", "of the showcase, which has no secrets")
DEBUG = os.environ.get("DEBUG", "true") == "true"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "celeriac.integrations.django",
    "django_celery_beat",
    "gallery",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "showcase.urls"

DATABASES = {"default": database(os.environ.get("DATABASE_URL", ""), BASE_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = BASE_DIR / "media"

#: told by HTTP of each picture that is published; empty: nobody
SUBSCRIBER_URL = os.environ.get("SUBSCRIBER_URL", "")

#: who plays which part in `manage.py celery_tutorial`
CELERIAC_TUTORIAL = {
    "heavy": "gallery.heavy.heavy_task",
    "heavy_args": [5],
    "light": "gallery.light.light_task",
    "long_args": [30],
    "failing_args": [5, "nowhere"],
    "mended": [5, "whole"],
}
