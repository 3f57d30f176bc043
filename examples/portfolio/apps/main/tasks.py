"""The site's background tasks; their queues, retries and limits stand in celeriac.toml, their times in the admin."""

from collections.abc import Sequence

from celery import shared_task

from apps.main import actions, analytics, backups, cleanup, health, notifications, reports
from apps.main.results import CachedResult


@shared_task
def send_notification(message_id: int, channels: Sequence[str] = notifications.CHANNELS) -> list[str]:
    """Tell of a contact message by mail; gives the channels it was sent on now."""
    return notifications.notify(message_id, channels)


@shared_task
def process_user_action(action_id: int) -> str:
    """Draw the consequences of what a visitor did; gives its kind."""
    return actions.process(action_id)


@shared_task
def update_analytics() -> analytics.Sums:
    """Sum up page views; gives today's figures."""
    return analytics.update()


@shared_task
def cleanup_temp_files(older_than_hours: float = 24.0) -> dict[str, int]:
    """Remove what nobody needs any more; gives how many of each kind."""
    return cleanup.clean_up(older_than_hours)


@shared_task(base=CachedResult)
def health_check() -> dict[str, object]:
    """Try what the site rests on; gives what was found of each part."""
    report = health.check_health()
    return {"healthy": report.is_healthy, **report.parts}


@shared_task
def generate_reports(kinds: Sequence[str] = ()) -> list[str]:
    """Write reports; gives the names of the files."""
    return reports.write_reports(kinds)


@shared_task
def backup_data() -> str:
    """Back the database up; gives the file's name."""
    return backups.back_up()
