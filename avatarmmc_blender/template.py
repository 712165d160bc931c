"""Hand torch head models to `meshing` as templates of plain arrays in the model frame."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .backend.head_model.model import HeadModel
from .backend.official.flame import FlameModel
from .meshing.flame_template import FlameTemplate, cylindrical_uvs
from .meshing.template import Template

# FLAME's axes (x to the subject's left, y up, z forward) in the model frame.
MODEL_FROM_FLAME = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def template_from_model(model: HeadModel) -> Template:
    """Return the numpy template of a head model (any device); arrays are float64 or int64."""
    surface_count, vertex_count = len(model.surface_canonical), len(model.v_template)
    rows, columns = _array(model.subdivision_indices)
    subdivision = sparse.csr_matrix(
        (_array(model.subdivision_values), (rows, columns)), shape=(surface_count, vertex_count)
    )
    return Template(
        rest=_array(model.v_template),
        shapes=np.moveaxis(_array(model.shapedirs), 2, 0).copy(),
        expressions=np.moveaxis(_array(model.exprdirs), 2, 0).copy(),
        expression_names=tuple(model.expression_names),
        faces=_array(model.faces),
        uvs=_array(model.uvs),
        uv_faces=_array(model.uv_faces),
        part=_array(model.part),
        joint_regressor=_array(model.J_regressor),
        weights=_array(model.lbs_weights),
        masks={name: _array(mask) for name, mask in model.masks.items()},
        rims={name: _array(rim) for name, rim in model.rims.items()},
        lid_vertices=_array(model.lid_vertices),
        lid_expressions=_array(model.lid_expression),
        lid_correctives=_array(model.lid_correctives),
        subdivision=subdivision,
        surface_faces=_array(model.surface_faces),
        surface_canonical=_array(model.surface_canonical),
        surface_ao=_array(model.surface_ao),
        surface_tongue=_array(model.surface_tongue),
        surface_uv_points=_array(model.surface_uvs),
        surface_uv_faces=_array(model.surface_uv_faces),
    )


def template_from_flame(model: FlameModel, uvs: np.ndarray | None = None) -> FlameTemplate:
    """Return the numpy template of a FLAME model; arrays are float64 or int64.

    uvs (F, 3, 2) are the corners' texture coordinates; without them the head is unrolled.
    """
    turn = MODEL_FROM_FLAME
    rest = _array(model.v_template) @ turn.T
    faces = _array(model.faces)
    elements = _array(model.posedirs).reshape(4, 3, 3, len(rest), 3)
    # What a rotation's element means depends on the axes; so does where its corrective points.
    correctives = np.einsum("ri,cj,kl,qijvl->qrcvk", turn, turn, turn, elements, optimize=True)
    return FlameTemplate(
        rest=rest,
        shapes=np.moveaxis(_array(model.shapedirs), 2, 0) @ turn.T,
        expressions=np.moveaxis(_array(model.exprdirs), 2, 0) @ turn.T,
        correctives=correctives,
        faces=faces,
        uvs=cylindrical_uvs(rest, faces) if uvs is None else uvs.astype(np.float64),
        joint_regressor=_array(model.J_regressor),
        weights=_array(model.lbs_weights),
    )


def _array(tensor) -> np.ndarray:
    array = tensor.detach().cpu().numpy()
    return array.astype(np.float64) if array.dtype.kind == "f" else array.astype(np.int64)
