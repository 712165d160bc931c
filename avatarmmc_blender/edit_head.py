"""Edits of heads that are there: what is asked of one, and the edited head made of it.

Knows nothing of Blender; runs in any thread of a process that has torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .answers import Found, check_names, explained_values, found_of, guidance_of
from .bundled_pipeline import to_w
from .errors import AvatarError
from .head_file import StoredHead
from .models import LoadedModel, choose_device, load_answer_models, load_model
from .pipeline import GeneratedHead, run_request
from .settings import (
    SEED_LIMIT,
    STEPS_RANGE,
    GenerateSettings,
    check_attributes,
    check_guidance,
    check_integer,
)
from .stages import Progress, StageClock

if TYPE_CHECKING:
    from .backend.answer.answer import AnswerModels
    from .backend.answer.evidence import Evidence

# usual length of what comes before the head, in units of the time of one head on a processor
_PHOTO, _SAMPLING = 0.05, 0.1


@dataclass(frozen=True)
class EditRequest:
    """What is to be otherwise on a head, painted on its front view.

    attributes to have; segmentation: the front view's label map, repainted or erased; image: the
    front view repainted, or a photo (crop: where the head is in it); mask: white where the front
    view may change.  strength 0 (nothing changes) to 1; identity_lock keeps the parts of the latent
    that the edit has nothing to do with; seed of the noise; snap, guidance and steps as in
    GenerateSettings.
    """

    attributes: Mapping[str, float | str] = field(default_factory=dict)
    image: str | None = None
    segmentation: str | None = None
    mask: str | None = None
    crop: tuple[float, float, float] | None = None
    snap: bool = False
    strength: float = 0.8
    identity_lock: bool = True
    seed: int = 0
    guidance: Mapping[str, float] = field(default_factory=dict)
    steps: int = 20

    def check(self) -> None:
        """Raise AvatarError if a value is out of its range (attributes are checked when used)."""
        check_integer("seed", self.seed, 0, SEED_LIMIT)
        check_integer("steps", self.steps, *STEPS_RANGE)
        check_guidance(self.guidance)
        check_attributes(self.attributes)
        if not isinstance(self.strength, Real) or not 0.0 <= self.strength <= 1.0:
            raise AvatarError(f"strength is {self.strength}; give a number from 0 to 1.")
        if self.crop is not None and not self.image:
            raise AvatarError("A crop says where the head is in a photo; give a photo.")


def check_editable(head: StoredHead) -> None:
    """Raise AvatarError if the model that made a head cannot edit it."""
    if not head.is_bundled:
        raise AvatarError(
            f"The head was made by the model {head.settings['model']}, which cannot edit; "
            "edit a head of the bundled model."
        )


def stored_settings(head: StoredHead) -> GenerateSettings:
    """The settings that a head was made with; raises AvatarError if they are damaged."""
    try:
        settings = GenerateSettings.from_dict(head.settings)
        settings.check()
    except (TypeError, ValueError, AttributeError) as error:
        raise AvatarError(
            f"The settings stored on the head are damaged ({error}); make the head anew."
        ) from error
    return replace(settings, variants=1)


def edit_head(
    head: StoredHead,
    request: EditRequest,
    settings: GenerateSettings | None = None,
    callback: Progress | None = None,
    pixels: Mapping[str, np.ndarray] | None = None,
) -> GeneratedHead:
    """Return the edited head, in metres at life size; an edit of nothing has the same latent.

    settings: those of the head, with another fineness or device if wanted; pixels: pictures in
    memory by name ("image", "segmentation", "mask"), used in place of files.  callback(stage,
    fraction of the whole) hears of progress, what it raises ends the work.  Raises AvatarError.
    """
    request.check()
    check_editable(head)
    settings = settings or stored_settings(head)

    def find(model: LoadedModel, clock: StageClock) -> Found:
        _check_weights(head, model)
        return _find(head, request, pixels or {}, model, clock)

    before = {"photo": _PHOTO} if _has_image(request, pixels or {}) else {}
    return run_request(settings, find, callback, {**before, "latent": _SAMPLING})[0]


def front_of(head: StoredHead, device: str = "auto") -> tuple[np.ndarray, np.ndarray]:
    """The front view that edits are painted on: image (S, S, 3) uint8 sRGB and labels (S, S) uint8.

    Raises AvatarError.
    """
    check_editable(head)
    model = load_model(choose_device(device))
    _check_weights(head, model)
    from .backend.answer.edit import front_view

    return front_view(model.generator, to_w(head.latent, model))


def _check_weights(head: StoredHead, model: LoadedModel) -> None:
    if head.model_sha256 != model.sha256:
        raise AvatarError(
            f"The head was made with weights {head.model_sha256[:12]} of {head.model}, those here "
            f"are {model.sha256[:12]} of {model.name}; make the head anew from its settings."
        )


def _find(
    head: StoredHead,
    request: EditRequest,
    pixels: Mapping[str, np.ndarray],
    model: LoadedModel,
    clock: StageClock,
) -> Found:
    from .backend.answer.edit import EditSettings, edit
    from .backend.answer.evidence import Evidence

    latent = to_w(head.latent, model)
    how = EditSettings(
        float(request.strength),
        request.identity_lock,
        request.seed,
        request.steps,
        guidance_of(request.guidance),
    )
    with explained_values():
        check_names(request.attributes)
        models = load_answer_models(model.device, with_network=_has_image(request, pixels))
        source = None if head.evidence is None else Evidence.decode(head.evidence)
        wanted, mask = _wanted(request, pixels, models, clock)
        answers = edit(models, latent, source, wanted, mask, how, clock)
    found = found_of(answers, wanted)
    if np.array_equal(found.latents[0], latent):
        return replace(found, evidence=source)
    # a photo does not show the edited head: its next edit starts from its front view
    attributes = {**(source.attributes if source else {}), **wanted.attributes}
    kept = Evidence(attributes, labels=wanted.labels, labels_given=wanted.labels_given)
    return replace(found, evidence=kept, notes=(*found.notes, _told(request)))


def _wanted(
    request: EditRequest,
    pixels: Mapping[str, np.ndarray],
    models: AnswerModels,
    clock: StageClock,
) -> tuple[Evidence, np.ndarray | None]:
    """What the edit asks for, and the mask (S, S) bool."""
    from .backend.answer.read import read_evidence, read_mask
    from .backend.perception.framing import Frame

    def picture(name: str) -> Path | np.ndarray | None:
        path = getattr(request, name)
        return pixels.get(name, None if path is None else Path(path))

    image, mask = picture("image"), picture("mask")
    if image is not None:
        clock("photo", 0.0)
    names = {name: getattr(request, name) or name for name in pixels}
    marked = None if mask is None else read_mask(mask, name=names.get("mask", ""))
    crop = None if request.crop is None else Frame(*request.crop)
    if image is not None and mask is not None and crop is None:
        crop = Frame(*_whole_square(image))
    wanted = read_evidence(
        image=image,
        segmentation=picture("segmentation"),
        attributes=request.attributes,
        network=models.network,
        crop=crop,
        snap=request.snap,
        tick=clock.tick,
        names=names,
    )
    return wanted, marked


def _whole_square(picture: Path | np.ndarray) -> tuple[float, float, float]:
    """Middle and side of a picture that is the front view repainted."""
    if isinstance(picture, np.ndarray):
        height, width = picture.shape[:2]
    else:
        from .backend.perception.photo_file import open_picture

        width, height = open_picture(picture).size
    if width != height:
        raise AvatarError(
            "With a mask a picture is the front view repainted: expected a square, given "
            f"{width} x {height} pixels; use the picture that `map` writes, or give a crop."
        )
    return width / 2, height / 2, float(width)


def _has_image(request: EditRequest, pixels: Mapping[str, np.ndarray]) -> bool:
    return request.image is not None or "image" in pixels


def _told(request: EditRequest) -> str:
    """One sentence about an edit, for the notes that a head keeps."""
    parts = [f"{name}={value}" for name, value in request.attributes.items()]
    pictures = {"segmentation": "a repainted map", "image": "another picture", "mask": "a mask"}
    parts += [text for name, text in pictures.items() if getattr(request, name)]
    return f"edited at strength {request.strength:g} with seed {request.seed}: {', '.join(parts)}"
