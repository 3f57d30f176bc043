"""No text makes the reader crash or take more than a second."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from celeriac.errors import PlanError
from celeriac.plan import Plan, check, read_plan
from celeriac.plan.reference_prose import EXAMPLE

VARIABLES = {"A": "a", "N": "3", "EMPTY": ""}
#: `read` itself holds the promise of a second, in this process's own time: the machine may be busy
QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TOKENS = st.sampled_from(
    [
        "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", " ", '"', "'", '"""', "'''", "\\", "#", "${A}", "${",
        "$${", "celeriac", "queues", "pools", "tasks", "schedules", "letters", "environments", "a", "web", "name",
        "broker", "max_wait", "retry", "limit", "autoscale", "min", "cron", '"30s"', '"* * * * *"', "1", "-1",
        "1.5", "inf", "true", "0x" + "f" * 40, "1979-05-27", "\x00", "\ud7ff", "é",
    ]
)  # fmt: skip


@pytest.fixture
def read(tmp_path):
    """Read a text as a plan: a Plan that holds together, or a PlanError whose problems are all in words."""
    file = tmp_path / "celeriac.toml"

    def read(raw: bytes | str) -> Plan | None:
        file.write_bytes(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass"))
        began = time.process_time()
        try:
            plan = read_plan(file, environ=VARIABLES)
        except PlanError as error:
            assert error.problems
            assert all(problem.code.startswith("PLAN-") and problem.at for problem in error.problems)
            assert str(error).isascii() or str(error).encode()
            return None
        else:
            assert all(problem.severity == "warning" for problem in check(plan))
            return plan
        finally:
            assert time.process_time() - began < 1

    return read


@QUICK
@given(raw=st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(read, raw):
    read(raw)


@QUICK
@given(text=st.text(max_size=200))
def test_arbitrary_text_is_read_or_refused(read, text):
    read(text)


@QUICK
@given(tokens=st.lists(TOKENS, max_size=60))
@example(tokens=["[pools.web]\n", "concurrency = 0x" + "f" * 2000])
@example(tokens=["[schedules.a]\ntask = 'a'\nevery = '1s'\nargs = [0x" + "f" * 20 + "]"])
def test_anything_made_of_the_words_of_a_plan_is_read_or_refused(read, tokens):
    read("".join(tokens))


def test_a_plan_cut_at_any_byte_is_read_or_refused(read):
    raw = EXAMPLE.replace("shop", "shöp").encode()
    for length in range(len(raw)):
        read(raw[:length])


@QUICK
@given(at=st.integers(0, len(EXAMPLE) - 1), gone=st.integers(0, 12), put=st.lists(TOKENS, max_size=4))
def test_a_plan_mutated_anywhere_is_read_or_refused(read, at, gone, put):
    read(EXAMPLE[:at] + "".join(put) + EXAMPLE[at + gone :])


@QUICK
@given(lines=st.permutations(EXAMPLE.splitlines()))
def test_a_plan_with_its_lines_shuffled_is_read_or_refused(read, lines):
    read("\n".join(lines))


ROOM = 127 * 1024
HOSTILE = {
    "a million nodes": "a = [" + "1," * 1_000_000 + "]",
    "as many nodes as fit": "a = [" + "1," * (ROOM // 2) + "]",
    "a million brackets": "[" * 1_000_000,
    "brackets": "a = " + "[" * ROOM,
    "inline tables": "a = " + "{a=" * (ROOM // 3),
    "dots": "a" + ".a" * (ROOM // 2) + " = 1",
    "dots in headers": "[a" + ".a" * 15 + "]\n[b" + ".b" * 10_000 + "]",
    "tables": "".join(f"[t{at}]\n" for at in range(ROOM // 9)),
    "queues nobody reads": "".join(f"[queues.q{at}]\n" for at in range(ROOM // 18)) + "[pools.p]\nqueues = ['x']",
    "pools of nothing": "".join(f"[pools.p{at}]\n" for at in range(ROOM // 14)),
    "environments in error": "".join(f"[environments.e{at}.pools.a]\nx = 1\n" for at in range(ROOM // 42)),
    "keys unlike any": "[celeriac]\n" + "".join(f"{'k' * 60}{at} = 1\n" for at in range(ROOM // 72)),
    "globs": "[tasks]\n" + "".join(f'"{"*a" * 20}{at}" = {{ queue = "z" }}\n' for at in range(ROOM // 70)),
    "the same queue": '[queues.a]\n[pools.a]\nqueues = [' + "'a'," * (ROOM // 4 - 20) + "]",
    "unclosed references": "[celeriac]\nname = '" + "${A:-" * (ROOM // 5 - 10) + "'",
    "unclosed strings": '"\\' * (ROOM // 2),
    "triple quotes": '\\"""x' * (ROOM // 5),
    "a long number": "a = " + "1" * ROOM,
    "a long hexadecimal number": "[queues.a]\nmax_length = 0x" + "f" * (ROOM - 100),
    "a long cron": "[schedules.a]\ntask = 'a'\ncron = '" + "1," * (ROOM // 2 - 50) + "1 * * * *'",
    "retries without end": "[queues.a]\n[tasks.a]\nexpires = '1s'\n"
    "retry = { limit = 1000000, backoff = '1ms', cap = '36525d' }",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_plan_is_judged_within_a_second(read, text):
    read(text)
