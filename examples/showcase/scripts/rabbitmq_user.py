"""Give the showcase a user of its own on a RabbitMQ, by its management API.

RABBITMQ_ADMIN_API   the API with an administrator's name and password (http://guest:guest@127.0.0.1:15672/api/)
RABBITMQ_USER        the user to make (myuser)
RABBITMQ_PASSWORD    its password (mypassword)
RABBITMQ_VHOST       the virtual host it may use (/)
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64encode
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen


def put(api: str, path: str, content: dict[str, str]) -> None:
    """Send one PUT. Raises: URLError."""
    parts = urlsplit(api)
    who = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    address = parts._replace(netloc=f"{parts.hostname}:{parts.port}").geturl().rstrip("/")
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {b64encode(who).decode()}"}
    with urlopen(Request(f"{address}/{path}", json.dumps(content).encode(), headers, method="PUT")) as answer:
        answer.read()


def main() -> int:
    """Make the user, or bring an existing one to this state."""
    api = os.environ.get("RABBITMQ_ADMIN_API") or "http://guest:guest@127.0.0.1:15672/api/"
    user = os.environ.get("RABBITMQ_USER") or "myuser"
    password = os.environ.get("RABBITMQ_PASSWORD") or "mypassword"
    vhost = os.environ.get("RABBITMQ_VHOST") or "/"
    try:
        # "monitoring" shows all queues on the management pages, and may change nothing there.
        put(api, f"users/{quote(user, safe='')}", {"password": password, "tags": "monitoring"})
        put(
            api,
            f"permissions/{quote(vhost, safe='')}/{quote(user, safe='')}",
            {"configure": ".*", "write": ".*", "read": ".*"},
        )
    except HTTPError as refused:
        print(f"RabbitMQ refuses: {refused.code} {refused.reason}", file=sys.stderr)
        return 1
    except URLError as away:
        print(
            f"the management API does not answer: {away.reason}\n"
            "  fix: start RabbitMQ, and enable it: rabbitmq-plugins enable rabbitmq_management",
            file=sys.stderr,
        )
        return 1
    print(f"{user} may use the virtual host {vhost}, and look at the management pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
