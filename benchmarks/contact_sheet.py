"""Contact sheets: pictures in a grid with captions, saved as one JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PAPER = (28, 29, 31)
INK = (222, 222, 222)
GAP = 6
CAPTION_HEIGHT = 20


def contact_sheet(
    pictures: Sequence[Path],
    columns: int,
    path: Path,
    captions: Sequence[str] = (),
    cell_height: int | None = None,
) -> None:
    """Write `pictures` row by row into one JPEG; `captions` stand below the pictures.

    cell_height: pixels to which all pictures are scaled; by default the first one's own.
    """
    images = [Image.open(picture).convert("RGB") for picture in pictures]
    height = cell_height or images[0].height
    width = round(images[0].width * height / images[0].height)
    row_height = height + GAP + (CAPTION_HEIGHT if captions else 0)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * row_height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left, top = GAP + column * (width + GAP), GAP + row * row_height
        sheet.paste(image.resize((width, height), Image.Resampling.LANCZOS), (left, top))
        if index < len(captions):
            middle = (left + width // 2, top + height + CAPTION_HEIGHT // 2)
            draw.text(middle, captions[index], INK, font, anchor="mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=88, optimize=True)
