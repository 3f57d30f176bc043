"""A plan in a Python mapping is read as strictly as one in a file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from celeriac.errors import PlanError
from celeriac.plan.mapping import read_mapping

FOLDER = Path("/srv/shop")


def test_it_is_laid_out_like_the_table_of_a_pyproject():
    plan = read_mapping(
        {
            "name": "shop",
            "imports": ("shop.tasks",),
            "queues": {"default": {"max_wait": "30s"}},
            "pools": {"web": {"queues": ["default"], "grace": "5s"}},
            "tasks": {"shop.*": {"retry": {"limit": 2}}},
        },
        FOLDER,
        environ={},
    )
    assert (plan.name, plan.imports, plan.folder, plan.source) == ("shop", ("shop.tasks",), FOLDER, None)
    assert plan.queues["default"].max_wait == timedelta(seconds=30)
    assert plan.tasks["shop.*"].retry.limit == 2


def test_every_problem_is_reported_with_its_place():
    with pytest.raises(PlanError) as raised:
        read_mapping(
            {"queus": {}, "queues": {"default": {}}, "pools": {"web": {"queues": ["defalt"]}}},
            FOLDER,
            environ={},
        )
    said = str(raised.value)
    assert '"queus" is not a key' in said
    assert 'write "default"' in said
    assert 'Plan.pools["web"].queues' in said


def test_variables_are_filled_in_and_celerys_own_win():
    values = {"broker": "${BROKER:-memory://}", "name": "${NAME}"}
    assert read_mapping(values, FOLDER, environ={"NAME": "shop"}).broker == "memory://"
    told = {"NAME": "shop", "CELERY_BROKER_URL": "redis://other/${1}"}
    assert read_mapping(values, FOLDER, environ=told).broker == "redis://other/${1}"
    with pytest.raises(PlanError, match="NAME is not set"):
        read_mapping(values, FOLDER, environ={})


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", float("nan"), [[[]]]])
def test_what_no_file_could_hold_is_refused(value):
    with pytest.raises(PlanError):
        read_mapping({"name": value}, FOLDER, environ={})
