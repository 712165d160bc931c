"""Official generators, converted before, loaded with the FLAME model that their heads get."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .errors import AvatarError
from .models_store import open_store

if TYPE_CHECKING:
    from .backend.checkpoints.checkpoint import Checkpoint
    from .backend.checkpoints.store import ModelStore
    from .backend.official.flame import FlameModel
    from .backend.official.generator import OfficialGenerator
    from .meshing.flame_template import FlameTemplate


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


@lru_cache(maxsize=1)
def load_official_model(model_id: str, device: str) -> OfficialModel:
    """Return a converted model on `device`, loaded once; raise AvatarError if it cannot be."""
    store = open_store()
    from .backend.official.load import load_official

    try:
        checkpoint = store.load(model_id)
        generator = load_official(checkpoint).to(device)
        flame = _load_flame(store, model_id)
    except (OSError, ValueError) as error:
        raise AvatarError.from_error(error) from error
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
    from .backend.official.flame_landmarks import flame_with_landmarks

    arrays = store.load_flame(model_id)
    if arrays is None:
        return None
    return flame_with_landmarks(arrays, store.load_landmarks(model_id))


def _template(flame: FlameModel, checkpoint: Checkpoint) -> FlameTemplate:
    """Return the template, with the texture layout that Next3D's file brings."""
    from .template import template_from_flame

    if checkpoint.family != "next3d":
        return template_from_flame(flame)
    state = checkpoint.state
    corners = state["raw_uvcoords"][0][state["uvfaces"][0]].numpy()
    return template_from_flame(flame, corners, state["faces"][0].numpy())
