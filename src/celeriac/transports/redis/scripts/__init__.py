"""The steps of a message on the server, each one script and therefore whole or not at all."""

from __future__ import annotations

from pathlib import Path

from celeriac.stores.scripts import read_script

_HERE = Path(__file__).parent

SEND = read_script(_HERE / "send.lua")
PUSH = read_script(_HERE / "push.lua")
FETCH = read_script(_HERE / "fetch.lua")
ACK = read_script(_HERE / "ack.lua")
GIVE_BACK = read_script(_HERE / "give_back.lua")
MOVE = read_script(_HERE / "move.lua")
DECLARE = read_script(_HERE / "declare.lua")
INTRODUCE = read_script(_HERE / "introduce.lua")
RENEW = read_script(_HERE / "renew.lua")
REAP = read_script(_HERE / "reap.lua")
