"""Every sampled head is looked at before it is shown; one that fails is sampled anew.

Checked on a small picture from the front and on the head's surface: a face is there, its parts
have plausible sizes and places, the surface does not fold through itself, and what was asked for
holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..conditions.conditions import Conditions
from ..conditions.contradictions import settle
from ..conditions.measure import measure_attributes
from ..conditions.table import ATTRIBUTES
from ..generator.cameras import portrait_camera
from ..generator.fast_images import FastImages, HeadImage, PosedHead
from ..head_model.arkit import EXPRESSIONS
from ..perception.parser import overlaps
from ..synthetic.labels import LABEL_INDEX
from .model import LatentDiffusion
from .sample import Samples, SampleSettings, sample
from .samplers import Callback

_SIZE = 64
# share of the head's pixels that a class may have on a face from the front
_SHARES = {
    "skin": (0.06, 0.90),
    "nose": (0.004, 0.12),
    "hair": (0.0, 0.80),
    "neck": (0.0, 0.40),
    "background": (0.0, 0.0),
}
_EYES, _LIPS = ("l_eye", "r_eye", "eye_g"), ("u_lip", "l_lip", "mouth")
_FEWEST = 3  # pixels of eyes and of lips
_HEAD = (0.12, 0.85)  # share of the picture that a head fills
_FOLDED = 0.03  # share of the surface's area that may face the wrong way
_FARTHEST = 0.30  # metres from the eyes to any point of the skin
_OUT_OF_RANGE = 4.5  # standard deviations of a shape coefficient
_OVERLAP = 0.35  # least mean overlap with a label map whose camera is known
_ATTRIBUTE, _CHOICES = 0.35, 0.5  # largest mean miss of numbers (of half the range), of choices


@dataclass(frozen=True)
class Verdict:
    """What is wrong with one head, a few words each; nothing if it passed."""

    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass(frozen=True)
class CheckedSamples:
    """latents (B, k, d), a verdict for each, and how many were sampled anew on the way."""

    latents: Tensor
    verdicts: tuple[Verdict, ...]
    resampled: int

    @property
    def notes(self) -> list[str]:
        """What the report says."""
        lines = []
        if self.resampled:
            lines.append(f"{self.resampled} samples failed the check and were made anew")
        for number, verdict in enumerate(self.verdicts, 1):
            if not verdict.passed:
                lines.append(f"head {number} is the best of several: {'; '.join(verdict.faults)}")
        return lines


def sample_checked(
    draw: Callable[[Sequence[int], Sequence[int]], Tensor],
    check: Callable[[int, Tensor], Verdict],
    seeds: Sequence[int],
    attempts: int = 3,
) -> CheckedSamples:
    """Draw one head a seed, and again with other seeds those that fail, `attempts` times in all.

    draw(heads, seeds) -> latents (n, k, d) of the heads with these numbers; check(head, latent
    (1, k, d)) -> Verdict.  A head that never passes is the attempt with the fewest faults.
    """
    if attempts < 1:
        raise ValueError(f"expected at least 1 attempt, given {attempts}")
    left, resampled = list(range(len(seeds))), 0
    best: dict[int, tuple[Tensor, Verdict]] = {}
    for attempt in range(attempts):
        own = [seeds[head] + attempt * 1_000_003 for head in left]
        for head, latent in zip(left, draw(left, own), strict=True):
            verdict = check(head, latent[None])
            if head not in best or len(verdict.faults) < len(best[head][1].faults):
                best[head] = latent, verdict
        left = [head for head in left if not best[head][1].passed]
        if not left:
            break
        resampled += len(left) if attempt + 1 < attempts else 0
    kept = [best[head] for head in range(len(seeds))]
    return CheckedSamples(
        torch.stack([latent for latent, _ in kept]), tuple(v for _, v in kept), resampled
    )


# style rows (1, R, W) of one head, what was asked of it, and the map's camera -> what is wrong
Check = Callable[[Tensor, Conditions, tuple[Tensor, Tensor] | None], Verdict]
# latents (n, k, d) as sampled and conditions of their heads -> latents nearer to what was asked
Refine = Callable[[Tensor, Conditions], Tensor]


def sample_with_check(
    model: LatentDiffusion,
    check: Check,
    conditions: Conditions,
    settings: SampleSettings,
    callback: Callback | None = None,
    attempts: int = 3,
    camera: tuple[Tensor, Tensor] | None = None,
    refine: Refine = lambda latents, asked: latents,
) -> tuple[Samples, CheckedSamples]:
    """`sample`, with every head refined, looked at and drawn anew if it fails; notes say how many
    were.

    camera: cam2world (4, 4) and intrinsics (3, 3) of the label map, if known.
    """
    first = sample(model, conditions, settings, callback)
    settled, _ = settle(conditions, settings.guidance.labels, settings.guidance.attributes)
    settled = settled.repeat(settings.variants)
    seeds = [settings.seed + i % settings.variants for i in range(len(settled))]

    def draw(heads: Sequence[int], own: Sequence[int]) -> Tensor:
        if list(own) == seeds:
            return refine(first.latents, settled)
        again = []
        for head, seed in zip(heads, own, strict=True):
            asked = settled.select(slice(head, head + 1))
            seeded = replace(settings, seed=seed, variants=1)
            again.append(refine(sample(model, asked, seeded, callback).latents, asked))
        return torch.cat(again)

    def judge(head: int, latent: Tensor) -> Verdict:
        own = settled.select(slice(head, head + 1))
        return check(model.space.decode(latent), own, camera)

    checked = sample_checked(draw, judge, seeds, attempts)
    ws = model.space.decode(checked.latents)
    return Samples(checked.latents, ws, [*first.notes, *checked.notes]), checked


class SelfCheck:
    """Looks at heads of one generator."""

    def __init__(self, images: FastImages):
        self.images = images
        device = images.generator.model.device
        cam2world, self.intrinsics = portrait_camera(torch.zeros(1, device=device))
        self.camera = cam2world[0]
        self.expression = torch.zeros(1, len(EXPRESSIONS), device=device)

    def __call__(
        self,
        ws: Tensor,
        conditions: Conditions | None = None,
        camera: tuple[Tensor, Tensor] | None = None,
    ) -> Verdict:
        """Check style rows ws (1, R, W) of one head, and what was asked of it (batch of 1).

        camera: cam2world (4, 4) and intrinsics (3, 3) that the label map is seen from, if known.
        """
        if not bool(torch.isfinite(ws).all()):
            return Verdict(("its latent is not finite",))
        posed = self.images.pose(ws, self.expression)
        picture = posed.render(self.camera, self.intrinsics, _SIZE, 1)
        faults = _surface_faults(posed) + _face_faults(picture) + _shape_faults(posed)
        if conditions is not None:
            faults += self._attribute_faults(posed, conditions)
            if camera is not None and bool(conditions.given("labels")):
                faults += _label_faults(posed, conditions, camera)
        return Verdict(tuple(faults))

    def _attribute_faults(self, posed: PosedHead, conditions: Conditions) -> list[str]:
        model = self.images.generator.model
        measured, shows = measure_attributes(posed.values.betas, posed.values.values, model)
        given = conditions.attributes_given[0]
        misses: dict[bool, list[float]] = {True: [], False: []}
        for i, attribute in enumerate(ATTRIBUTES):
            if not given[i]:
                continue
            away = float(measured[0, i] - conditions.attributes[0, i])
            if attribute.choices:
                misses[True].append(float(abs(away) > 0.5))
            elif shows[0, i]:
                misses[False].append(2 * abs(away) / (attribute.maximum - attribute.minimum))
        faults = []
        if misses[True] and sum(misses[True]) / len(misses[True]) > _CHOICES:
            faults.append("most of the choices asked for are missed")
        if misses[False] and sum(misses[False]) / len(misses[False]) > _ATTRIBUTE:
            faults.append("the attributes asked for are missed")
        return faults


def _label_faults(
    posed: PosedHead, conditions: Conditions, camera: tuple[Tensor, Tensor]
) -> list[str]:
    picture = posed.render(*camera, conditions.labels.shape[-1], 1)
    given = conditions.labels_mask[0, 0] > 0.5
    both, either = overlaps(picture.label[given], conditions.labels[0][given])
    overlap = float((both / either.clamp_min(1))[either > 0].mean())
    if overlap < _OVERLAP:
        return [f"its labels overlap the map asked for by {overlap:.2f} only"]
    return []


def _shape_faults(posed: PosedHead) -> list[str]:
    farthest = float(posed.values.betas.abs().max())
    if farthest > _OUT_OF_RANGE:
        return [f"its shape is {farthest:.1f} deviations from the average"]
    return []


def _surface_faults(posed: PosedHead) -> list[str]:
    """Folds and spikes; the skin has no holes, being a moved closed mesh."""
    surface = posed.surface
    if not bool(torch.isfinite(surface).all()):
        return ["its surface is not finite"]
    model = posed.generator.model
    a, b, c = surface[model.surface_faces].unbind(1)
    area = torch.linalg.cross(b - a, c - a)
    guide = model.subdivide(posed.vertices)[0][model.surface_faces]
    before = torch.linalg.cross(guide[:, 1] - guide[:, 0], guide[:, 2] - guide[:, 0])
    folded = (area * before).sum(-1) < 0
    faults = []
    if float(area[folded].norm(dim=-1).sum()) > _FOLDED * float(area.norm(dim=-1).sum()):
        faults.append("its surface folds through itself")
    if float(surface.norm(dim=-1).max()) > _FARTHEST:
        faults.append("its surface reaches out of the head")
    return faults


def _face_faults(picture: HeadImage) -> list[str]:
    """Missing or misplaced parts of the face in a picture from the front."""
    seen = picture.coverage > 0
    filled = float(seen.float().mean())
    if not _HEAD[0] < filled < _HEAD[1]:
        return [f"it fills {100 * filled:.0f} % of the picture"]
    label = picture.label

    def mask(*names: str) -> Tensor:
        return torch.isin(label, label.new_tensor([LABEL_INDEX[name] for name in names])) & seen

    faults = []
    for name, (least, most) in _SHARES.items():
        share = float(mask(name).sum() / seen.sum())
        if not least <= share <= max(most, 0.02):
            faults.append(f"{name} covers {100 * share:.0f} % of it")
    for what, names in (("eyes", _EYES), ("lips", _LIPS)):
        if int(mask(*names).sum()) < _FEWEST:
            faults.append(f"it has no {what}")
    if faults:
        return faults
    heights = [_middle(mask(*names))[0] for names in (_EYES, ("nose",), _LIPS)]
    if not heights[0] < heights[1] < heights[2]:
        faults.append("its eyes, nose and mouth are out of order")
    left, right = mask("l_eye"), mask("r_eye")
    if left.any() and right.any() and not _middle(left)[1] > _middle(right)[1]:
        faults.append("its eyes are out of order")
    return faults


def _middle(mask: Tensor) -> tuple[float, float]:
    """Mean row and column of a mask (S, S)."""
    row, column = mask.nonzero().float().mean(0).tolist()
    return row, column
