"""Dead letters: capturing the message of a task that failed for good, recording, mending and replaying it.

In: kombu messages from a worker (`LetterPost`) and from the letters queue (`Recorder`). Out: letters in the
records and, by `replay`, tasks on their queue again. A letter leaves one place only once the next has it for
sure; when that fails the original stays unacked, the letter in its queue, or the record "replaying".
"""

from celeriac.deadletters.call import Call, Unreadable, call_of
from celeriac.deadletters.edit import Change, edit, editable, read_values
from celeriac.deadletters.letter import read_letter
from celeriac.deadletters.post import LetterPost
from celeriac.deadletters.recorder import Recorder
from celeriac.deadletters.replay import Replayed, Replayer, found, settled
from celeriac.records import Letter

__all__ = [
    "Call",
    "Change",
    "Letter",
    "LetterPost",
    "Recorder",
    "Replayed",
    "Replayer",
    "Unreadable",
    "call_of",
    "edit",
    "editable",
    "found",
    "read_letter",
    "read_values",
    "settled",
]
