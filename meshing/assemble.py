"""From a field and its surface to a rigged head: fit, bake, hair, parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from .anchors import AccessoryAnchors
from .bake import bake_albedo
from .earrings import build_earrings
from .eyes import build_eyes
from .fit import fit_template
from .geometry import NearestOnMesh
from .glasses import build_glasses
from .hair import SkinBinding, make_hair
from .head_part import build_head_part
from .lashes import build_lashes
from .part_values import PartValues
from .raw_surface import raw_part
from .rigged_head import RiggedHead
from .teeth import build_teeth
from .template import Template
from .transfer import transfer_expressions


def assemble_head(
    field,
    surface,
    template: Template,
    part_values: PartValues | None = None,
    texture: int = 1024,
    density: str = "cage",
    raw_surface: bool = False,
    callback=None,
) -> RiggedHead:
    """Return the rigged head of `field` (Field protocol) and its extracted `surface` (Mesh).

    part_values: iris, glasses and earrings; by default those of the field itself
    (`field.part_values`). texture: side of the albedo in texels. density: see
    `build_head_part`. Lengths stay in model-frame metres. callback(stage, fraction) hears of the
    stages "fit", "bake", "hair" and "rig" and may cancel by raising. Raises ValueError if the
    field shows too little skin or an argument is out of range.
    """
    report = callback or (lambda stage, fraction: None)
    values = PartValues.of(field.part_values if part_values is None else part_values)
    fitted = fit_template(field, surface, template, callback=report)
    cage = fitted.vertices
    guide = template.surface(cage)
    albedo = bake_albedo(field, guide, template, texture, callback=report)
    report("rig", 0.0)
    expressions = transfer_expressions(template, fitted.betas)
    head = build_head_part(template, cage, expressions, albedo.image, density)
    head_distance = _head_distance(guide, template)
    anchors = AccessoryAnchors.of(template, cage)
    eyes = build_eyes(template, cage, expressions, values.iris, values.iris_radius)
    rigged = [
        head,
        eyes,
        build_lashes(head, eyes, values.lash),
        build_teeth(template, cage, expressions),
    ]
    accessories = [
        build_glasses(values, anchors, head_distance),
        build_earrings(values, anchors, head_distance),
    ]
    report("rig", 1.0)
    skin = SkinBinding(head.vertices, head.weights, head.shape_keys)
    hair = make_hair(field, surface, head_distance, skin, callback=report)
    present = tuple(part for part in (*rigged, *hair, *accessories) if part is not None)
    return RiggedHead(
        parts=present,
        joints=template.joint_regressor @ cage,
        raw_surface=raw_part(surface, head, albedo.skin_color) if raw_surface else None,
    )


def _head_distance(guide: np.ndarray, template: Template) -> Callable[[np.ndarray], np.ndarray]:
    """Signed distance to the fitted head as seen from outside: mouth and sockets are inside.

    The field's surface closes the lips, so that the mouth would else look like hair, thick stuff
    outside the skin.
    """
    hidden = sum(template.masks_on_surface(name) for name in ("mouth_bag", "eye_sockets", "tongue"))
    cavity = hidden[template.surface_faces].mean(axis=1) > 0.5
    nearest = NearestOnMesh(guide, template.surface_faces)
    return partial(nearest.signed_distance, cavity=cavity)
