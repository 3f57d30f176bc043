"""What somebody waits for."""

import wave

import numpy as np
import pytest
from app.core.http import http
from app.core.rows import rows
from app.tasks import asr, chat, images, web_search
from PIL import Image
from services.tones import RATE_HZ, write_keys


def test_an_answer_comes_from_the_model_is_kept_and_traced(services, celeriac_sent):
    asked = chat.answer.delay("ann", "Why do onions make me weep?")
    assert "a gas that makes the eyes weep" in asked.get(timeout=1)
    with rows() as db:
        assert db.execute("SELECT id, person FROM answers").fetchall() == [(asked.id, "ann")]
    celeriac_sent.one(chat.answer, queue="high_priority")
    celeriac_sent.one("app.tasks.langfuse.export_trace", queue="low_priority")
    keys = services.langfuse_keys
    traces = http.get(f"{services.langfuse_host}/api/public/traces", auth=keys).json()["data"]
    assert [trace["id"] for trace in traces] == [asked.id]


def test_a_model_that_knows_nothing_says_so(services, celeriac_bench):
    assert chat.answer.delay("ann", "xyzzy?").get(timeout=1) == "I have read nothing about that."


def test_a_model_that_is_away_is_asked_again_and_then_leaves_a_letter(celeriac_retried, celeriac_letters):
    chat.answer.delay("ann", "Why?")
    celeriac_retried.times(3, chat.answer)
    celeriac_letters.one(chat.answer, attempts=4, exception="httpx.ConnectError")


def test_a_card_is_a_picture_of_the_size_of_a_link(where, celeriac_bench):
    path = images.render_card.delay("A sharp knife is safer than a dull one.").get(timeout=5)
    with Image.open(path) as card:
        assert (card.format, card.size) == ("PNG", images.SIZE)
        assert {pixel for _, pixel in card.getcolors(1 << 20)} >= {(255, 255, 255)}
    assert images.render_card.delay("Another.").get(timeout=5) != path


@pytest.mark.parametrize("keys", ["0123456789", "*#ABCD", "112233", ""])
def test_the_keys_of_a_telephone_are_heard(keys, tmp_path, celeriac_bench):
    if keys:
        path = write_keys(keys, tmp_path / "keys.wav")
    else:
        path = write_sound(np.random.default_rng(2).normal(0, 0.2, RATE_HZ), tmp_path / "noise.wav")
    assert asr.transcribe.delay(str(path)).get(timeout=5) == keys


def test_one_tone_alone_is_no_key(tmp_path, celeriac_bench):
    path = write_sound(np.sin(2 * np.pi * 770 * np.arange(RATE_HZ) / RATE_HZ) / 2, tmp_path / "tone.wav")
    assert asr.transcribe.delay(str(path)).get(timeout=5) == ""


def test_a_search_gives_the_nearest_page_first(services, celeriac_sent):
    hits = web_search.search.delay("waxy potatoes from the Andes", 2).get(timeout=1)
    assert [hit["title"] for hit in hits] == ["Potato", "Mashed potatoes"]
    assert hits[0]["score"] > hits[1]["score"]
    celeriac_sent.one(web_search.search, queue="high_priority")


def write_sound(sound, path):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((sound * 32767).clip(-32768, 32767).astype("<i2").tobytes())
    return path
