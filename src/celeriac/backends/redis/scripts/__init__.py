"""The steps of results and chords on the server, each one script and therefore whole or not at all."""

from __future__ import annotations

from pathlib import Path

from celeriac.stores.scripts import read_script

_HERE = Path(__file__).parent

WRITE = read_script(_HERE / "write.lua")
ARRIVE = read_script(_HERE / "arrive.lua")
NOTE = read_script(_HERE / "note.lua")
FIRED = read_script(_HERE / "fired.lua")
