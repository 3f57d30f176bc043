"""The command line: one file per command, thin; what it does lives in `control` and `supervise`.

In: arguments and the plan. Out: text for people, or one JSON document with `--json`. Every command file
    exposes `command`; `main.COMMANDS` names them, so that a command's imports cost nothing until it is
    called. An expected failure is a CeleriacError and ends as its text on standard error and an exit code,
    never as a traceback.
"""
