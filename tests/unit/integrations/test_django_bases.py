"""The bases of tasks, as a Django project takes them."""

from __future__ import annotations

import pytest

from celeriac.plan import Plan

pytest.importorskip("django")


@pytest.mark.parametrize("name", ["Task", "ReportingTask", "HeavyTask", "LightTask"])
def test_every_base_can_be_sent_on_commit_and_keeps_its_policy(name):
    from celeriac import create_app
    from celeriac.integrations.django import task as bases
    from celeriac.tasks import bases as plain

    app = create_app(Plan())
    base = getattr(bases, name)

    @app.task(name=f"shop.{name}", base=base)
    def told():
        """Do nothing."""

    assert callable(told.delay_on_commit)
    expected = {"HeavyTask": plain.HEAVY, "LightTask": plain.LIGHT}.get(name)
    assert (told.policy.retry if told.policy else None) == expected
