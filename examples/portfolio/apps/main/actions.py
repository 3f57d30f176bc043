"""What follows from what visitors do."""

from django.db import transaction
from django.utils import timezone

from apps.main.models import Project, UserAction


class UnknownAction(LookupError):
    """There is no such action, or its transaction is not committed yet."""


def process(action_id: int) -> str:
    """Draw the consequences of an action once, and say which kind it was.

    Raises: UnknownAction.
    """
    with transaction.atomic():
        action = UserAction.objects.select_for_update().filter(pk=action_id).first()
        if action is None:
            raise UnknownAction(f"there is no action {action_id}")
        if action.processed_at is None:
            action.processed_at = timezone.now()
            action.save(update_fields=["processed_at"])
            _count_likes(action.project_id)
    return action.kind


def _count_likes(project_id: int) -> None:
    """Count anew, not one more: a visitor's last word is what counts, and counting twice does no harm."""
    said = UserAction.objects.filter(project_id=project_id).order_by("done_at", "pk")
    last = dict(said.values_list("visitor", "kind"))
    likes = sum(kind == UserAction.Kind.LIKE for kind in last.values())
    Project.objects.filter(pk=project_id).update(likes=likes)
