"""Lines of the results table: each figure beside its aim."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .attribute_agreement import AIM, Agreement
from .field_accuracy import Accuracy
from .file_checks import RoundTrip
from .head_quality import Quality


@dataclass(frozen=True)
class Row:
    """One line of the table: held is None for a figure without an aim or not measured."""

    figure: str
    aim: str
    value: str
    held: bool | None


def field_rows(found: Accuracy, heads: int) -> list[Row]:
    """Rows of the field's accuracy."""
    return [
        _at_most(f"field surface error, mean over {heads} heads, mm", 0.2, found.surface_mean),
        Row("field surface error, 95th percentile, mm", "", f"{found.surface_p95:.3f}", None),
        Row("the same on the face alone, mean, mm", "", f"{found.face_mean:.3f}", None),
        _at_most("face error with the jaw open, mean, mm", 0.4, found.open_jaw_face),
        _at_most("face error at full blink, mean, mm", 0.4, found.blink_face),
        _at_most("colour error, mean of 255", 4.0, found.color),
        _at_least("label mIoU (official classes, beard counts as skin)", 0.85, found.mean_iou),
    ]


def quality_rows(found: Quality) -> list[Row]:
    """Rows of the finished heads."""
    complete = found.complete_heads
    return [
        _at_most(f"template to surface, mean over {found.heads} heads, mm", 0.3, found.fit_mean),
        Row("template to surface, 95th percentile, mm", "", f"{found.fit_p95:.3f}", None),
        _at_most("visible eyeball at full blink, mean, mm2", 0.0, found.eyeball_at_blink, 2),
        _at_most("the same, worst head, mm2", 0.0, found.eyeball_at_blink_worst, 2),
        Row("(visible eyeballs at rest, mm2)", "", f"{found.eyeball_at_rest:.0f}", None),
        _at_most("visible mouth interior at rest, mean, mm2", 1.5, found.mouth_at_rest, 2),
        Row("the same, worst head, mm2", "", f"{found.mouth_at_rest_worst:.2f}", None),
        _exactly(
            f"hair and beard meshes that are not closed, of {found.hair_parts}",
            0, found.open_hair_parts,
        ),
        _at_most("skin weights: largest departure of a sum from 1", 1e-5, found.weight_error, 7),
        _exactly(f"heads of {complete} with the 52 keys in Apple's order", complete,
                 found.heads_with_all_keys),
    ]  # fmt: skip


def file_rows(found: Sequence[RoundTrip]) -> list[Row]:
    """Rows of the exported files."""
    rows = []
    for suffix, other in ((".glb", "Khronos validator"), (".fbx", "ufbx")):
        own = [item for item in found if item.suffix == suffix]
        name = f"{suffix[1:].upper()} of {len(own)} heads"
        rest, keys = max(i.rest_error for i in own), max(i.key_error for i in own)
        rows += [
            _at_most(f"{name} re-imported: vertex error at rest / height", 1e-4, rest, 8),
            _at_most(f"{name} re-imported: largest error of any key / height", 1e-4, keys, 8),
            _exactly(f"{name}: joints", 5, _common(item.joints for item in own)),
            _exactly(f"{name}: shape keys with Apple's names", 52, _common(i.keys for i in own)),
            Row(f"{name}: textures", ">= 1", str(min(i.textures for i in own)),
                min(i.textures for i in own) >= 1),
        ]  # fmt: skip
        answers = [item.validator for item in own]
        if any(answer is None for answer in answers):
            rows.append(Row(f"{name}: {other}", "", "not installed here, skipped", None))
            continue
        if "errors" in answers[0]:
            rows.append(_exactly(f"{name}: errors by the {other}", 0,
                                 max(answer["errors"] for answer in answers)))  # fmt: skip
        same = all(answer["joints"] == 5 and answer["keys"] == 52 for answer in answers)
        textures = min(answer["textures"] for answer in answers)
        said = f"{answers[0]['joints']} joints, {answers[0]['keys']} keys, {textures} textures"
        label = "the file itself" if suffix == ".glb" else f"read by {other}"
        rows.append(Row(f"{name}: {label}", "5, 52, >= 1", said, same and textures >= 1))
    return rows


def attribute_rows(found: Sequence[Agreement]) -> list[Row]:
    """Rows that sum up the attributes."""
    values = np.array([item.agreement for item in found])
    reached = int((values >= AIM).sum())
    heads = max(item.heads for item in found)
    return [
        _at_least(f"attribute agreement, mean over {heads} heads", AIM, float(np.nanmean(values))),
        _exactly(f"attributes of {len(found)} with agreement >= {AIM}", len(found), reached),
    ]


def surface_rows(found: dict[str, float]) -> list[Row]:
    """Rows of the surface extraction."""
    resolution = found["resolution"]
    timed = f"{found['adaptive_seconds']:.1f} s against {found['dense_seconds']:.0f} s"
    row = _at_least(f"adaptive surface at {resolution}^3, times faster than dense", 100.0,
                    found["ratio"], 0)  # fmt: skip
    share = f"{100 * found['evaluated_share']:.1f} % of the dense lattice timed, the rest scaled up"
    return [row, Row("adaptive against dense", "", f"{timed} ({share})", None)]


def _at_most(figure: str, aim: float, value: float, digits: int = 3) -> Row:
    return Row(figure, f"<= {aim:g}", f"{value:.{digits}f}", bool(value <= aim))


def _at_least(figure: str, aim: float, value: float, digits: int = 3) -> Row:
    return Row(figure, f">= {aim:g}", f"{value:.{digits}f}", bool(value >= aim))


def _exactly(figure: str, aim: int, value: int) -> Row:
    return Row(figure, str(aim), str(value), value == aim)


def _common(values: Iterable[int]) -> int:
    """The one value that all have, -1 if they differ."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else -1
