"""The addresses of the site."""

from django.contrib import admin
from django.urls import path

from apps.main import views

urlpatterns = [
    path("", views.home, name="home"),
    path("projects/<slug:slug>/", views.project, name="project"),
    path("projects/<slug:slug>/like/", views.like, name="like"),
    path("contact/", views.contact, name="contact"),
    path("status/", views.status, name="status"),
    path("admin/", admin.site.urls),
]
