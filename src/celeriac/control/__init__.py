"""Control: the reads and verbs that every surface presses, whether command line, console or API.

In: the plan, and the app where a verb sends or a result is read. Out: typed reports, made for people and
programs alike. What cannot be reached raises its room's own error; nothing here words or hides one.
"""
