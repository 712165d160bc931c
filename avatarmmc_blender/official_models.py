"""Official generators, converted before, loaded with the FLAME model that their heads get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import AvatarError
from .models_store import open_store
from .stages import Progress

if TYPE_CHECKING:
    from .backend.checkpoints.checkpoint import Checkpoint
    from .backend.checkpoints.store import ModelStore
    from .backend.official.flame import FlameModel
    from .backend.official.generator import OfficialGenerator
    from .meshing.flame_template import FlameTemplate

# Where super-resolution runs in half precision, as in the public programs: there it takes less time
# and memory.  Processors have no fast half precision, and Apple's GPUs were not tried.
HALF_DEVICES = ("cuda",)
READING_SHARE, NETWORKS_SHARE = 0.6, 0.9  # of loading, done when that has been done


@dataclass(frozen=True)
class OfficialModel:
    """A generator of the family "next3d" or "eg3d", and what its heads are fitted with.

    flame and template are None if no FLAME file belongs to it.  blending says which planes of a
    Next3D follow the mesh: "front", as in the released file, or "all".
    """

    name: str
    sha256: str
    family: str
    blending: str
    generator: OfficialGenerator
    flame: FlameModel | None
    template: FlameTemplate | None


# The model that was loaded last, by its id and device.
_loaded: dict[tuple[str, str], OfficialModel] = {}


def load_official_model(
    model_id: str, device: str, progress: Progress | None = None
) -> OfficialModel:
    """Return a converted model on `device`, loaded once; raise AvatarError if it cannot be.

    progress("loading", fraction) is called while it is loaded.
    """
    key = model_id, device
    if key not in _loaded:
        _loaded.clear()  # two would need twice the memory
        _loaded[key] = _load(model_id, device, progress)
    return _loaded[key]


def forget_official_models() -> None:
    """Keep no loaded model, since those on disk have changed."""
    _loaded.clear()


def _load(model_id: str, device: str, progress: Progress | None) -> OfficialModel:
    report = progress or (lambda stage, fraction: None)
    store = open_store()
    from .backend.official.load import load_official

    try:
        checkpoint = store.load(model_id, lambda stage, done: report(stage, READING_SHARE * done))
        generator = load_official(
            checkpoint, device in HALF_DEVICES, lambda: report("loading", READING_SHARE)
        ).to(device)
        report("loading", NETWORKS_SHARE)
        flame = _load_flame(store, model_id)
    except (OSError, ValueError) as error:
        raise AvatarError.from_error(error) from error
    report("loading", 1.0)
    return OfficialModel(
        name=model_id,
        sha256=checkpoint.provenance["sha256"],
        family=checkpoint.family,
        blending=checkpoint.source_rule or "front",
        generator=generator,
        flame=None if flame is None else flame.to(device),
        template=None if flame is None else _template(flame, checkpoint),
    )


def _load_flame(store: ModelStore, model_id: str) -> FlameModel | None:
    from .backend.official.flame import FlameModel

    arrays = store.load_flame(model_id)
    if arrays is None:
        return None
    landmarks = store.load_landmarks(model_id)
    if landmarks is None:
        return FlameModel.from_file(arrays)
    # The contour of a head that looks ahead, then brows, nose, eyes and mouth.
    return FlameModel.from_file(
        arrays,
        np.concatenate([landmarks.dynamic_faces[0], landmarks.static_faces]),
        np.concatenate([landmarks.dynamic_weights[0], landmarks.static_weights]),
    )


def _template(flame: FlameModel, checkpoint: Checkpoint) -> FlameTemplate:
    """Return the template, with the texture layout that Next3D's file brings."""
    from .template import template_from_flame

    if checkpoint.family != "next3d":
        return template_from_flame(flame)
    state = checkpoint.state
    corners = state["raw_uvcoords"][0][state["uvfaces"][0]].numpy()
    return template_from_flame(flame, corners, state["faces"][0].numpy())
