"""Files in FLAME's schema with numbers of our own: no FLAME data."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np

from tests.pickle_writer import Call, Name, New, array_parts, pickled

VERTICES, TRIANGLES = 5023, 9976


@cache
def _numbers() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    regressor = np.zeros((5, VERTICES))
    regressor[np.arange(20) % 5, rng.choice(VERTICES, 20, replace=False)] = 0.25
    weights = rng.random((VERTICES, 5))
    return {
        "v_template": rng.normal(size=(VERTICES, 3)) * 0.1,
        # Half precision keeps the files of the tests small.
        "shapedirs": rng.standard_normal((VERTICES, 3, 400), np.float32).astype(np.float16),
        "posedirs": rng.normal(size=(VERTICES, 3, 36)) * 1e-3,
        "J_regressor": regressor,
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "f": rng.integers(0, VERTICES, (TRIANGLES, 3)).astype(np.uint32),
        "J": rng.normal(size=(5, 3)),
    }


def flame_numbers() -> dict[str, np.ndarray]:
    """Return the arrays by the names in FLAME's files."""
    return dict(_numbers())


def flame_values(python2: bool = False, faces: np.ndarray | None = None) -> dict[str, Any]:
    """Return the dictionary of a FLAME file: chumpy around arrays, a sparse regressor, text."""
    numbers = flame_numbers()
    if faces is not None:
        numbers["f"] = faces
    values: dict[str, Any] = {name: array_parts(a, python2) for name, a in numbers.items()}
    chumpy = Name("chumpy.ch", "Ch")
    flat = numbers["v_template"].ravel()
    select = {
        "a": New(chumpy, (), {"x": array_parts(flat[::-1].copy(), python2)}),
        "idxs": array_parts(np.arange(flat.size)[::-1].copy(), python2),
        "preferred_shape": (VERTICES, 3),
    }
    values["v_template"] = New(Name("chumpy.reordering", "Select"), (), select)
    values["shapedirs"] = New(chumpy, (), {"x": values["shapedirs"], "dirty_vars": set()})
    values["J_regressor"] = _sparse(numbers["J_regressor"], python2)
    return values | {"bs_type": "lrotmin", "bs_style": "lbs"}


def _sparse(dense: np.ndarray, python2: bool) -> Call:
    """A csc matrix as old SciPy wrote it."""
    columns, rows = np.nonzero(dense.T)
    starts = np.searchsorted(columns, np.arange(dense.shape[1] + 1)).astype(np.int32)
    state = {
        "_shape": dense.shape,
        "indptr": array_parts(starts, python2),
        "indices": array_parts(rows.astype(np.int32), python2),
        "data": array_parts(dense[rows, columns], python2),
        "format": "csc",
        "maxprint": 50,
    }
    rebuild = Name("copy_reg", "_reconstructor")
    args = (Name("scipy.sparse.csc", "csc_matrix"), Name("__builtin__", "object"), None)
    return Call(rebuild, args, state)


def flame_pickle(protocol: int = 2, faces: np.ndarray | None = None) -> bytes:
    """Return a FLAME file as Python 2 wrote it."""
    return pickled(flame_values(python2=True, faces=faces), protocol, python2=True)


def landmark_values(triangles: int = TRIANGLES) -> dict[str, np.ndarray]:
    """Return a landmark embedding by DECA's names."""
    rng = np.random.default_rng(4)
    return {
        "static_lmk_faces_idx": rng.integers(0, triangles, 51),
        "static_lmk_bary_coords": rng.dirichlet(np.ones(3), 51),
        "dynamic_lmk_faces_idx": rng.integers(0, triangles, (79, 17)),
        "dynamic_lmk_bary_coords": rng.dirichlet(np.ones(3), (79, 17)),
        "full_lmk_faces_idx": rng.integers(0, triangles, (1, 68)),
        "full_lmk_bary_coords": rng.dirichlet(np.ones(3), (1, 68)),
    }


def npz(values: dict[str, np.ndarray]) -> bytes:
    """Return an uncompressed .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, **values)
    return buffer.getvalue()
