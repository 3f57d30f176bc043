"""Images: a sentence is drawn as a card."""

from __future__ import annotations

import colorsys
import hashlib
import textwrap

from celery import shared_task
from PIL import Image, ImageDraw, ImageFont

from app.core.settings import settings

SIZE = (1200, 630)  # as social networks show a link
_MARGIN = 80


@shared_task
def render_card(text: str) -> str:
    """Draw `text` on a ground whose colour follows from it, and give the path of the PNG."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    card = ground(hue=int(digest[:4], 16) / 0xFFFF)
    font = ImageFont.load_default(size=56)
    ImageDraw.Draw(card).multiline_text(
        (_MARGIN, SIZE[1] // 2), "\n".join(textwrap.wrap(text, 36)), font=font, fill="white", anchor="lm"
    )
    path = settings().folder("images") / f"{digest[:16]}.png"
    draft = path.with_suffix(".draft")
    card.save(draft, "PNG", optimize=True)
    draft.replace(path)  # whoever looks sees a whole picture or none
    return str(path)


def ground(hue: float) -> Image.Image:
    """Give a ground that grows darker from top to bottom.

    hue: from 0 to 1.
    """
    column = Image.new("RGB", (1, SIZE[1]))
    for y in range(SIZE[1]):
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.6, 0.75 - 0.45 * y / SIZE[1])
        column.putpixel((0, y), (int(red * 255), int(green * 255), int(blue * 255)))
    return column.resize(SIZE)
