"""An examination as a whole: deadlines, rules that break, how rules are named, the page."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from celeriac.doctor import Rule, chosen, examine
from celeriac.doctor.look import Look, Unseen
from celeriac.doctor.reference import page
from celeriac.doctor.rules import MODULES, RULES
from celeriac.errors import CommandError
from celeriac.plan import Plan


def test_a_look_that_hangs_is_given_up_at_its_deadline():
    never = threading.Event()
    look = Look("frozen", never.wait, within_s=0.2)
    began = time.monotonic()
    with pytest.raises(Unseen, match="frozen") as gap:
        look.seen()
    assert time.monotonic() - began < 5
    assert gap.value.why == "no answer within 0.2s"
    never.set()


def test_a_look_is_taken_once_and_an_error_is_its_reason_without_a_password():
    taken = []
    look = Look("once", lambda: taken.append(1) or len(taken), within_s=5)
    assert (look.seen(), look.seen()) == (1, 1)

    def refused():
        raise OSError("cannot reach redis://ann:secret@host")

    with pytest.raises(Unseen) as gap:
        Look("refused", refused, within_s=5).seen()
    assert gap.value.why == "cannot reach redis://ann:***@host"


def test_a_rule_that_breaks_takes_no_other_with_it(tmp_path):
    def broken(_patient):
        raise ZeroDivisionError("by zero")
        yield

    rule = Rule(code="DOC-999", name="broken", level="trouble", reads=(), judge=broken)
    plan = Plan(name="shop", folder=tmp_path)
    examined = examine(plan, lambda: None, rules=(rule, *chosen(["broker-away"])))
    assert [(it.rule, it.why) for it in examined.unjudged] == [("broken", "ZeroDivisionError: by zero")]
    assert examined.judged == 1
    assert examined.is_well


def test_rules_are_named_by_code_or_name_and_a_slip_is_answered():
    assert [rule.name for rule in chosen(["DOC-202", "disk"])] == ["disk", "queue-unread"]
    assert chosen([]) == RULES
    with pytest.raises(CommandError, match="UP-060") as slip:
        chosen(["queue-unraed"])
    assert slip.value.fix == 'write "queue-unread"'


def test_each_rule_has_a_code_and_a_name_of_its_own_and_stands_in_a_file_of_that_name():
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert [rule.code for rule in RULES] == sorted(rule.code for rule in RULES)
    folder = Path(MODULES[0].__file__).parent
    files = {path.stem.replace("_", "-") for path in folder.glob("*.py")} - {"--init--"}
    assert files == {rule.name for rule in RULES}


def test_the_page_in_the_docs_is_the_one_the_source_writes():
    written = Path(__file__).resolve().parents[3] / "docs" / "reference" / "doctor.md"
    assert written.read_text() == page(), "run make docs"
