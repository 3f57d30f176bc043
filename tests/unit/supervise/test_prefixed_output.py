"""The one stream all processes write to."""

import io

from celeriac.supervise.output import Output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_names_are_padded_to_the_longest():
    stream = io.StringIO()
    output = Output(stream)
    output.expect(["web-1", "recorder"])
    output.write("web-1", "hello")
    output.write("recorder", "there")
    assert stream.getvalue() == "web-1    | hello\nrecorder | there\n"


def test_a_pipe_gets_no_colours_not_even_those_of_a_process():
    stream = io.StringIO()
    Output(stream).write("web", "\x1b[31mred\x1b[0m")
    assert stream.getvalue() == "web | red\n"


def test_a_terminal_gets_a_colour_per_process(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    output = Output(stream)
    output.expect(["a", "b"])
    output.write("a", "x")
    output.write("b", "y")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("\x1b[")
    assert first.split("m")[0] != second.split("m")[0]


def test_no_color_is_honoured_on_a_terminal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    Output(stream).write("a", "x")
    assert "\x1b" not in stream.getvalue()


def test_a_reader_that_has_gone_does_not_stop_the_work():
    stream = io.StringIO()
    output = Output(stream)
    stream.close()
    output.write("a", "x")
    output.say("y")
