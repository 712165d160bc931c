"""Mesh objects: geometry, UVs, skin weights and shape keys of one part of a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import bpy
import numpy as np

from .materials import UV_LAYER
from .meshing.rigged_head import Part

MINIMUM_WEIGHT = 0.002  # smaller skin weights are dropped, the rest sums to one again


def create_mesh_object(
    part: Part,
    joint_names: Sequence[str],
    materials: Mapping[str, bpy.types.Material],
    created: list[bpy.types.ID],
) -> bpy.types.Object:
    """Create the object of `part` with UVs, material slots, vertex groups and shape keys.

    Every new data-block is appended to `created` at once, so that the caller can undo a failure.
    Raises ValueError if the part's faces are not a valid mesh.
    """
    mesh = bpy.data.meshes.new(part.name)
    created.append(mesh)
    _fill_geometry(mesh, part)
    for material in part.materials:
        mesh.materials.append(materials[material.name])
    if part.materials:
        mesh.polygons.foreach_set("material_index", part.material_index.astype(np.int32))
    result = bpy.data.objects.new(part.name, mesh)
    created.append(result)
    _add_vertex_groups(result, part.weights, joint_names)
    if part.shape_keys:
        _add_shape_keys(result, part)
    return result


def _fill_geometry(mesh: bpy.types.Mesh, part: Part) -> None:
    corners = part.faces.shape[1]
    mesh.vertices.add(len(part.vertices))
    mesh.vertices.foreach_set("co", _flat(part.vertices))
    mesh.loops.add(part.faces.size)
    mesh.loops.foreach_set("vertex_index", part.faces.astype(np.int32).ravel())
    mesh.polygons.add(len(part.faces))
    starts = np.arange(0, part.faces.size, corners, dtype=np.int32)
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.update(calc_edges=True)
    # A repair would delete faces and shift the corners of all later ones under their UVs.
    if mesh.validate():
        raise ValueError(f"expected a valid mesh, given degenerate faces in {part.name!r}")
    if part.uvs is not None:
        mesh.uv_layers.new(name=UV_LAYER).data.foreach_set("uv", _flat(part.uvs))
    mesh.shade_smooth()


def normalized_weights(weights: np.ndarray) -> np.ndarray:
    """Return `weights` (V, J) without those below `MINIMUM_WEIGHT`, rows summing to one."""
    kept = np.where(weights < MINIMUM_WEIGHT, 0.0, weights)
    return kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-12)


def _add_vertex_groups(
    owner: bpy.types.Object, weights: np.ndarray, joint_names: Sequence[str]
) -> None:
    for joint_name, column in zip(joint_names, normalized_weights(weights).T, strict=True):
        group = owner.vertex_groups.new(name=joint_name)
        # One call for all vertices of one weight: most are rigid and share the weight 1.
        values, inverse = np.unique(column.astype(np.float32), return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        bounds = np.searchsorted(inverse[order], np.arange(len(values) + 1))
        for index, value in enumerate(values.tolist()):
            if value > 0.0:
                group.add(order[bounds[index] : bounds[index + 1]].tolist(), value, "REPLACE")


def _add_shape_keys(owner: bpy.types.Object, part: Part) -> None:
    owner.shape_key_add(name="Basis", from_mix=False)
    for name, offsets in part.shape_keys.items():
        key = owner.shape_key_add(name=name, from_mix=False)
        key.slider_min, key.slider_max = part.key_range
        key.data.foreach_set("co", _flat(part.vertices + offsets))
        key.value = 0.0


def follow_shape_keys(follower: bpy.types.Object, leader: bpy.types.Object) -> None:
    """Drive the shape keys of `follower` by those of the same names of `leader`.

    So that an animator moves and keys one slider.  A driver of type average evaluates no Python.
    """
    keys = follower.data.shape_keys
    leader_keys = leader.data.shape_keys
    if keys is None or leader_keys is None:
        return
    for block in keys.key_blocks[1:]:
        if block.name not in leader_keys.key_blocks:
            continue
        driver = block.driver_add("value").driver
        driver.type = "AVERAGE"
        target = driver.variables.new().targets[0]
        # By way of the object: files written in part do not follow references to keys.
        target.id_type = "OBJECT"
        target.id = leader
        target.data_path = f'data.shape_keys.key_blocks["{block.name}"].value'


def _flat(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float32).ravel()
