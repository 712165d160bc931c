"""The head-model template as plain arrays: what fitting, baking and rigging need of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

PART_SKIN, PART_TONGUE, PART_LEFT_EYE, PART_RIGHT_EYE, PART_UPPER_TEETH, PART_LOWER_TEETH = range(6)


@dataclass(frozen=True, eq=False)
class Template:
    """A linear head model with its subdivided guide surface (metres, model frame).

    The *cage* are the V model vertices; the *guide surface* are the W vertices of its skin and
    tongue after one Catmull-Clark step, `subdivision @ cage`. `surface_canonical` are positions
    on the average head, the coordinates in which correspondences and painted features live.
    """

    rest: np.ndarray  # (V, 3) average head
    shapes: np.ndarray  # (S, V, 3) identity basis, unit Gaussian coefficients
    expressions: np.ndarray  # (E, V, 3) expression basis
    expression_names: tuple[str, ...]
    faces: np.ndarray  # (F, 4) quads of all parts
    uvs: np.ndarray  # (T, 2)
    uv_faces: np.ndarray  # (F, 4) into uvs
    part: np.ndarray  # (V,) PART_* constants
    joint_regressor: np.ndarray  # (5, V)
    weights: np.ndarray  # (V, 5) skin weights, rows sum to one
    masks: dict[str, np.ndarray]  # name -> (V,) in [0, 1]
    rims: dict[str, np.ndarray]  # name -> vertex indices along a rim
    lid_vertices: np.ndarray  # (L,) vertices whose blink depends on the identity
    lid_expressions: np.ndarray  # (L,) index of the blink that each of them follows
    lid_correctives: np.ndarray  # (L, 3, S) per unit of blink and of shape
    subdivision: sparse.csr_matrix  # (W, V)
    surface_faces: np.ndarray  # (T, 3) triangles, closed
    surface_canonical: np.ndarray  # (W, 3)
    surface_ao: np.ndarray  # (W,) ambient visibility of the average head, 1 = open
    surface_tongue: np.ndarray  # (W,) 1 on the tongue
    surface_uv_points: np.ndarray  # (U, 2)
    surface_uv_faces: np.ndarray  # (T, 3) into surface_uv_points, -1 on the untextured neck cap

    # Texture islands of the guide surface.
    REGION_NONE, REGION_SKIN, REGION_TONGUE, REGION_MOUTH, REGION_SOCKET = range(-1, 4)

    @property
    def shape_count(self) -> int:
        """Number of identity coefficients."""
        return len(self.shapes)

    @cached_property
    def surface_rest(self) -> np.ndarray:
        """Average guide surface (W, 3)."""
        return np.asarray(self.subdivision @ self.rest)

    @cached_property
    def surface_shapes(self) -> np.ndarray:
        """Identity basis on the guide surface (W, 3, S)."""
        stacked = np.moveaxis(self.shapes, 0, -1).reshape(len(self.rest), -1)
        return np.asarray(self.subdivision @ stacked).reshape(-1, 3, self.shape_count)

    @cached_property
    def surface_uvs(self) -> np.ndarray:
        """Texture coordinates of the guide triangles (T, 3, 2), NaN on the neck cap."""
        uvs = self.surface_uv_points[self.surface_uv_faces].astype(np.float64)
        uvs[self.surface_uv_faces[:, 0] < 0] = np.nan
        return uvs

    @cached_property
    def surface_region(self) -> np.ndarray:
        """REGION_* constant of every guide triangle (T,), told by its texture island."""
        islands = _islands(self.surface_uv_faces, len(self.surface_uv_points))
        height = self.surface_canonical[self.surface_faces, 2].mean(axis=1)
        on_tongue = self.surface_tongue[self.surface_faces].mean(axis=1)
        openness = self.surface_ao[self.surface_faces].mean(axis=1)
        region = np.full(len(islands), self.REGION_NONE)
        for island in range(islands.max() + 1):
            members = islands == island
            if on_tongue[members].mean() > 0.5:
                region[members] = self.REGION_TONGUE
            elif openness[members].mean() > 0.55:
                region[members] = self.REGION_SKIN
            elif height[members].mean() < -0.04:
                region[members] = self.REGION_MOUTH
            else:
                region[members] = self.REGION_SOCKET
        return region

    @cached_property
    def surface_skin(self) -> np.ndarray:
        """Guide vertices (W,) bool that belong to the outer skin, not to mouth or sockets."""
        skin = np.zeros(len(self.surface_canonical), bool)
        skin[self.surface_faces[self.surface_region == self.REGION_SKIN]] = True
        return skin

    @cached_property
    def cage_vertices(self) -> np.ndarray:
        """Cage vertices (C,) on the guide surface; its first C vertices are their limits."""
        return np.unique(self.skin_faces)

    @cached_property
    def skin_face_ids(self) -> np.ndarray:
        """Indices of the cage quads of skin and tongue."""
        return np.flatnonzero(self.part[self.faces[:, 0]] <= PART_TONGUE)

    @property
    def skin_faces(self) -> np.ndarray:
        """Cage quads of skin and tongue (F', 4)."""
        return self.faces[self.skin_face_ids]

    def identity(self, betas: np.ndarray) -> np.ndarray:
        """Return the cage (V, 3) of the identity coefficients `betas` (S,)."""
        return self.rest + np.tensordot(betas, self.shapes, axes=1)

    def surface(self, cage: np.ndarray) -> np.ndarray:
        """Return the guide surface (W, 3) of a cage (V, 3)."""
        return np.asarray(self.subdivision @ cage)

    def masks_on_surface(self, name: str) -> np.ndarray:
        """Return a region mask on the guide surface (W,)."""
        return np.asarray(self.subdivision @ self.masks[name])


def _islands(uv_faces: np.ndarray, point_count: int) -> np.ndarray:
    """Return the texture island (T,) of every triangle, -1 for untextured ones."""
    textured = uv_faces[:, 0] >= 0
    links = uv_faces[textured]
    rows = np.concatenate([links[:, 0], links[:, 1]])
    columns = np.concatenate([links[:, 1], links[:, 2]])
    graph = sparse.coo_matrix(
        (np.ones(len(rows)), (rows, columns)), shape=(point_count, point_count)
    )
    _, component = csgraph.connected_components(graph, directed=False)
    islands = np.full(len(uv_faces), -1)
    islands[textured] = component[links[:, 0]]
    return islands
