"""What a head remembers of its making: custom properties on its collection and armature."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .settings import BUNDLED_MODEL

if TYPE_CHECKING:
    import bpy

PREFIX = "avatarmmc_"
VERSION_KEY = PREFIX + "version"
SETTINGS_KEY = PREFIX + "settings"
EVIDENCE_KEY = PREFIX + "evidence"
NOTES_KEY = PREFIX + "notes"
LATENT_KEY = PREFIX + "latent"
PART_KEY = PREFIX + "part"  # on every mesh object: the name of its part


def head_metadata(
    settings: Mapping[str, Any],
    latent: np.ndarray,
    report: Mapping[str, Any],
    version: str,
    evidence: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the texts to store on a head, from which it can be made again.

    settings: plain values with a "seed"; latent (D,) is kept as base64 of little-endian float32;
    report: has "model" with "id" and "sha256", and "notes"; evidence: plain values of what was
    asked for beside the seed.  glTF and FBX carry texts unchanged.
    """
    stored = {
        "version": version,
        "model": report["model"]["id"],
        "model_sha256": report["model"]["sha256"],
        "seed": str(settings["seed"]),
        "settings": json.dumps(settings, sort_keys=True),
        "latent": encode_latent(latent),
        "notes": json.dumps(report.get("notes", [])),
    }
    if evidence is not None:
        stored["evidence"] = json.dumps(evidence, sort_keys=True)
    return stored


def encode_latent(latent: np.ndarray) -> str:
    """Return `latent` (D,) as base64 of little-endian float32."""
    return base64.b64encode(np.asarray(latent, "<f4").tobytes()).decode("ascii")


def decode_latent(text: str) -> np.ndarray:
    """Return the latent (D,) float32 that `encode_latent` wrote."""
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)


def store_metadata(owner: bpy.types.ID, metadata: Mapping[str, str]) -> None:
    """Write `metadata` as custom properties of `owner`."""
    for name, value in metadata.items():
        owner[PREFIX + name] = value


def read_settings(owner: bpy.types.ID) -> dict[str, Any]:
    """Return the settings that made the head of `owner`, empty if it has none."""
    return json.loads(owner.get(SETTINGS_KEY, "{}"))


def is_bundled(owner: bpy.types.ID) -> bool:
    """Return whether the bundled model made the head of `owner`; never raises, panels ask it."""
    try:
        settings = read_settings(owner)
    except (TypeError, ValueError):  # edited by hand
        return False
    return isinstance(settings, dict) and settings.get("model", BUNDLED_MODEL) == BUNDLED_MODEL


def read_notes(owner: bpy.types.ID | Mapping[str, str]) -> list[str]:
    """Return what there is to know about the head of `owner`; never raises, panels show it."""
    try:
        notes = json.loads(owner.get(NOTES_KEY, "[]"))
    except (TypeError, ValueError):  # edited by hand
        return []
    return [str(note) for note in notes] if isinstance(notes, list) else []


def read_evidence(owner: bpy.types.ID) -> dict[str, Any]:
    """Return what the head of `owner` was asked to be, as `Evidence.encode` gives it, or {}."""
    return json.loads(owner.get(EVIDENCE_KEY, "{}"))


def find_rig(item: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return the armature of the head that `item` belongs to, or None."""
    while item is not None:
        if item.type == "ARMATURE" and VERSION_KEY in item:
            return item
        item = item.parent
    return None


def head_parts(rig: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the mesh objects of the head of `rig`, the face first."""
    parts = [item for item in rig.children_recursive if item.type == "MESH"]
    return sorted(parts, key=lambda item: (item.get(PART_KEY) != "Head", item.name))


def head_mesh(rig: bpy.types.Object) -> bpy.types.Object | None:
    """Return the mesh object with the face of the head of `rig`, or None."""
    parts = head_parts(rig)
    return parts[0] if parts and parts[0].get(PART_KEY) == "Head" else None
