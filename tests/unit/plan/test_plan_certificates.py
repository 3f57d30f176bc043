"""What a plan says of TLS to its servers."""

import pytest

from celeriac.plan import Plan, check


@pytest.mark.parametrize("checks", ["none", "CERT_NONE"])
def test_a_certificate_that_nobody_checks_is_warned_of_where_it_is_named(checks):
    problems = check(Plan(broker=f"rediss://h/0?ssl_cert_reqs={checks}&lease=5", results="rpc://"))
    assert [(problem.code, problem.severity) for problem in problems] == [("PLAN-086", "warning")]
    problems = check(Plan(results=f"rediss://h/0?ssl_cert_reqs={checks}"))
    assert [problem.code for problem in problems] == ["PLAN-086"]


def test_certificates_of_both_sides_are_said_in_the_url():
    url = "rediss://h/0?ssl_cert_reqs=required&ssl_ca_certs=/a.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem"
    assert check(Plan(broker=url)) == []
