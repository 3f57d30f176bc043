"""Redis clients from the URLs that people have for their broker."""

import pytest

from celeriac.stores.redis import open_redis


@pytest.mark.parametrize("written", ["CERT_NONE", "none"])
def test_what_kombu_says_of_certificates_is_understood(written):
    with open_redis(f"rediss://127.0.0.1:1/0?ssl_cert_reqs={written}") as client:
        assert client.connection_pool.connection_kwargs["ssl_cert_reqs"] == "none"
