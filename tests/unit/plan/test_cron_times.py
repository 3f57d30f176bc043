"""Cron times, judged as Celery's crontab reads them."""

from __future__ import annotations

import pytest
from celery.schedules import ParseException, crontab
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.plan.cron import fault_of

FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


@pytest.mark.parametrize(
    "cron",
    [
        "* * * * *",
        "0 9 * * mon-fri",
        "*/15 8-18/2 1,15 jan,JUL 0",
        "59 23 31 12 6",
        "0 0 29 2 *",
        "0 22-2 * nov-feb fri-mon",
        " 0   9 * *\t* ",
    ],
)
def test_a_cron_time_has_no_fault(cron):
    assert fault_of(cron) is None


@pytest.mark.parametrize(
    ("cron", "fault"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("60 * * * *", "minute 60 is not from 0 to 59"),
        ("* 24 * * *", "hour 24"),
        ("* * 0 * *", "day of month 0"),
        ("* * * 13 *", "month 13"),
        ("* * * * 7", "Sunday is 0"),
        ("*/0 * * * *", "step of 0"),
        ("5/10 * * * *", 'write "5-59/10"'),
        ("mon * * * *", 'minute "mon" is not known'),
        ("* * * * monday", "neither"),
        ("1,,2 * * * *", "neither"),
        ("-1 * * * *", "neither"),
        ("٣ * * * *", "neither"),
        ("@daily", "1 fields"),
        ("0 0 31 feb,apr *", "never come"),
        ("0 0 30 2 *", "never come"),
        ("1," * 300 + "1 * * * *", "too long"),
    ],
)
def test_what_is_no_cron_time_is_said(cron, fault):
    assert fault in fault_of(cron)


PARTS = st.from_regex(r"(\*|[0-9]{1,2}|[a-z]{3})(-([0-9]{1,2}|mon|feb))?(/[0-9]{1,2})?", fullmatch=True)
COLUMNS = st.lists(
    PARTS | st.sampled_from(["*", "1", "mon", "jan", "1-5", "*/2"]), min_size=1, max_size=2
).map(",".join)


@settings(max_examples=300)
@given(st.lists(COLUMNS, min_size=5, max_size=5))
def test_what_has_no_fault_is_read_by_celery(columns):
    if fault_of(" ".join(columns)) is None:
        crontab(**dict(zip(FIELDS, (column.lower() for column in columns), strict=True)))


@given(st.integers(0, 4), st.sampled_from([60, 24, 31, 12, 7]).flatmap(lambda n: st.integers(0, n + 1)))
def test_a_single_number_is_judged_as_celery_judges_it(column, number):
    columns = ["*"] * 5
    columns[column] = str(number)
    try:
        crontab(**dict(zip(FIELDS, columns, strict=True)))
        celery_takes_it = True
    except (ValueError, ParseException):
        celery_takes_it = False
    assert (fault_of(" ".join(columns)) is None) == celery_takes_it


@given(st.text(max_size=60))
def test_any_text_is_judged_without_failing(text):
    fault_of(text)
