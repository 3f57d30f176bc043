"""The site's own data in the admin."""

from django.contrib import admin

from apps.main.models import ContactMessage, DailyPage, HealthReport, Notification, Project, UserAction

admin.site.site_header = admin.site.site_title = "Portfolio"


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):
    list_display = ("title", "year", "likes")
    prepopulated_fields = {"slug": ("title",)}  # noqa: RUF012 - Django's way


@admin.register(ContactMessage)
class ContactMessageAdmin(admin.ModelAdmin):
    list_display = ("name", "email", "written_at")


@admin.register(Notification)
class NotificationAdmin(admin.ModelAdmin):
    list_display = ("message", "channel", "sent_at")


@admin.register(UserAction)
class UserActionAdmin(admin.ModelAdmin):
    list_display = ("kind", "project", "done_at", "processed_at")
    list_filter = ("kind", "project")


@admin.register(DailyPage)
class DailyPageAdmin(admin.ModelAdmin):
    list_display = ("day", "path", "views", "visitors", "mean_ms")
    date_hierarchy = "day"


@admin.register(HealthReport)
class HealthReportAdmin(admin.ModelAdmin):
    list_display = ("checked_at", "is_healthy", "parts")
    list_filter = ("is_healthy",)
