"""Held-out heads and the conditions made from their renders: seeds apart from every training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..conditions.conditions import MODALITIES, Conditions
from ..conditions.measure import measure_attributes
from ..generator.fast_images import FastImages
from ..head_model.arkit import EXPRESSIONS
from ..optimise.visible import Camera
from ..training.latents import sample_training_latents
from ..training.pairs import draw_view
from ..training.photo_augment import augment

# Trainings seed with (seed << 40) + step or seed * 1,000,003 + shard.
_FIRST_SEED = 7_770_000_000_000


@dataclass(frozen=True)
class HeldOutHead:
    """One head: style rows ws (1, R, W), its camera, labels (S, S) of its plain render, the seen
    landmarks (68, 2), and conditions (batch of 1) that give all of it: a photo under its own light,
    the label map, the attributes that show."""

    number: int
    ws: Tensor
    camera: Camera
    labels: Tensor
    landmarks: Tensor
    conditions: Conditions


@torch.no_grad()
def held_out_head(images: FastImages, number: int) -> HeldOutHead:
    """The held-out head of a number: neutral face, random camera, light, surroundings and lens."""
    generator = images.generator
    rng = torch.Generator().manual_seed(_FIRST_SEED + number)
    z = sample_training_latents(1, rng)
    device = generator.model.device
    ws = generator.mapping(z.to(device))
    view = draw_view(images, ws, z, torch.zeros(1, len(EXPRESSIONS)), number, rng)
    photo = augment(view, rng, shift=0.0)
    read = generator.readout(ws)
    attributes, shows = measure_attributes(read.betas, read.values, generator.model)
    labels = view.label.long().to(device)
    given = torch.ones_like(labels[:, None], dtype=torch.float32)
    camera = view.camera[0].to(device)
    return HeldOutHead(
        number=number,
        ws=ws,
        camera=Camera(camera[:16].view(4, 4), camera[16:].view(3, 3)),
        labels=labels[0],
        landmarks=view.landmarks[0].to(device),
        conditions=Conditions(attributes, shows, photo.image.to(device), given, labels, given),
    )


def only(conditions: Conditions, *kept: str) -> Conditions:
    """The conditions with no other modalities than those named."""
    for name in MODALITIES:
        if name not in kept:
            conditions = conditions.without(name)
    return conditions


def join(conditions: list[Conditions]) -> Conditions:
    """Conditions of several heads, all with the same modalities, as one batch."""

    def stack(name: str) -> Tensor | None:
        values = [getattr(c, name) for c in conditions]
        return None if values[0] is None else torch.cat(values)

    names = ("attributes", "attributes_given", "image", "image_mask", "labels", "labels_mask")
    return Conditions(**{name: stack(name) for name in names})
