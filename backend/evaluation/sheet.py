"""Pictures in rows and columns with captions over the columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_PAPER, _INK, _GAP, _CAPTION = (28, 29, 31), (222, 222, 222), 4, 18
_QUALITIES, _LARGEST = (90, 82, 74), 400_000  # bytes


def write_sheet(path: Path, rows: Sequence[Sequence[Tensor]], captions: Sequence[str]) -> Path:
    """Save pictures (3, S, S) 0..1 as one JPEG, one row of pictures a row; returns the path.

    A sheet that gets too large for a page is compressed more.
    """
    size = rows[0][0].shape[-1]
    width = len(captions) * (size + _GAP) + _GAP
    sheet = Image.new("RGB", (width, len(rows) * (size + _GAP) + _GAP + _CAPTION), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, caption in enumerate(captions):
        middle = (_GAP + column * (size + _GAP) + size // 2, _CAPTION // 2 + 1)
        draw.text(middle, caption, _INK, font, anchor="mm")
        for row, pictures in enumerate(rows):
            pixels = (pictures[column].clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
            left, top = _GAP + column * (size + _GAP), _CAPTION + _GAP + row * (size + _GAP)
            sheet.paste(Image.fromarray(pixels.cpu().numpy()), (left, top))
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in _QUALITIES:
        sheet.save(path, "JPEG", quality=quality, optimize=True)
        if path.stat().st_size < _LARGEST:
            break
    return path
