"""Letters of sealed and signed messages: opened to be read, closed anew when their message has changed."""

from __future__ import annotations

from msgspec.structs import replace

from celeriac.records import Letter
from celeriac.security import Guard, Received


def opened(letter: Letter, guard: Guard) -> Letter:
    """Give the letter with its message open.

    Raises: MessageRefused if the message must not be run; SecurityError if there are no keys here.
    """
    return _with(letter, guard.opened(_message_of(letter)))


def closed(letter: Letter, guard: Guard) -> Letter:
    """Give an open letter with its message sealed and signed by this process.

    Raises: SecurityError if it has no key, or may not send that.
    """
    return _with(letter, guard.closed(_message_of(letter)))


def _message_of(letter: Letter) -> Received:
    return Received(
        letter.body, letter.content_type, letter.content_encoding, letter.headers, letter.properties
    )


def _with(letter: Letter, message: Received) -> Letter:
    return replace(
        letter,
        body=message.body,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers=message.headers,
        properties=message.properties,
    )
