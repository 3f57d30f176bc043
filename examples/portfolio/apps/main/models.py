"""What the site keeps."""

from django.db import models
from django.urls import reverse


class Project(models.Model):
    """A piece of work that is shown."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=100)
    summary = models.CharField(max_length=200)
    body = models.TextField()
    year = models.PositiveSmallIntegerField()
    likes = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ("-year", "title")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("project", args=[self.slug])


class ContactMessage(models.Model):
    """What somebody wrote by the contact form."""

    name = models.CharField(max_length=100)
    email = models.EmailField()
    text = models.TextField(max_length=5000)
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-written_at",)

    def __str__(self) -> str:
        return f"{self.name}, {self.written_at:%Y-%m-%d %H:%M}"


class Notification(models.Model):
    """Word of a message on one channel; `sent_at` is None until it has left."""

    message = models.ForeignKey(ContactMessage, models.CASCADE, related_name="notifications")
    channel = models.CharField(max_length=20)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("message", "channel"), name="once_per_channel"),)

    def __str__(self) -> str:
        return f"{self.channel}: {self.message}"


class UserAction(models.Model):
    """Something a visitor did that has consequences."""

    class Kind(models.TextChoices):
        LIKE = "like"
        UNLIKE = "unlike"

    kind = models.CharField(max_length=20, choices=Kind)
    visitor = models.CharField(max_length=64)
    project = models.ForeignKey(Project, models.CASCADE)
    done_at = models.DateTimeField(auto_now_add=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} by {self.visitor}"


class PageView(models.Model):
    """One page, seen once."""

    path = models.CharField(max_length=200)
    visitor = models.CharField(max_length=64)
    seen_at = models.DateTimeField(auto_now_add=True, db_index=True)
    took_ms = models.FloatField()

    def __str__(self) -> str:
        return f"{self.path} at {self.seen_at:%Y-%m-%d %H:%M:%S}"


class DailyPage(models.Model):
    """What came of the views of a page on one day (UTC)."""

    day = models.DateField()
    path = models.CharField(max_length=200)
    views = models.PositiveIntegerField()
    visitors = models.PositiveIntegerField()
    mean_ms = models.FloatField()

    class Meta:
        ordering = ("-day", "-views", "path")
        constraints = (models.UniqueConstraint(fields=("day", "path"), name="once_per_day"),)

    def __str__(self) -> str:
        return f"{self.day} {self.path}: {self.views}"


class HealthReport(models.Model):
    """What one health check found: for each part "ok", or what is wrong with it."""

    checked_at = models.DateTimeField(auto_now_add=True, db_index=True)
    is_healthy = models.BooleanField()
    parts = models.JSONField()

    class Meta:
        ordering = ("-checked_at",)

    def __str__(self) -> str:
        return f"{self.checked_at:%Y-%m-%d %H:%M:%S}: {'healthy' if self.is_healthy else 'in trouble'}"
