"""Pieces of the head model (skin, eyeballs, rows of teeth) and how they are joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Piece:
    """Vertices with bases, quads with texture corners, part codes and skinning weights."""

    vertices: np.ndarray  # (N,3)
    canonical: np.ndarray  # (N,3)
    shapes: np.ndarray  # (K,N,3)
    expressions: np.ndarray  # (52,N,3)
    faces: np.ndarray  # (F,4)
    corner_uvs: np.ndarray  # (F,4,2)
    part: np.ndarray  # (N,) int8
    weights: np.ndarray  # (N,5)


def rigid_piece(vertices, shapes, expressions, faces, corner_uvs, part, joint) -> Piece:
    """Return a piece of one part that follows one joint; it is its own canonical form."""
    weights = np.zeros((len(vertices), 5))
    weights[:, joint] = 1
    codes = np.full(len(vertices), part, np.int8)
    return Piece(
        vertices, vertices, shapes, expressions, faces, corner_uvs, codes, weights
    )


def join(pieces: list[Piece]) -> Piece:
    """Return all pieces as one, in order."""
    starts = np.cumsum([0] + [len(piece.vertices) for piece in pieces[:-1]])
    faces = [piece.faces + start for piece, start in zip(pieces, starts, strict=True)]

    def stacked(name: str, axis: int = 0) -> np.ndarray:
        return np.concatenate([getattr(piece, name) for piece in pieces], axis=axis)

    return Piece(
        vertices=stacked("vertices"),
        canonical=stacked("canonical"),
        shapes=stacked("shapes", 1),
        expressions=stacked("expressions", 1),
        faces=np.concatenate(faces),
        corner_uvs=stacked("corner_uvs"),
        part=stacked("part"),
        weights=stacked("weights"),
    )


def indexed_uvs(corner_uvs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unique texture coordinates (T,2) and their indices, shaped as the corners."""
    flat = corner_uvs.reshape(-1, 2).round(6)
    uvs, inverse = np.unique(flat, axis=0, return_inverse=True)
    return uvs, inverse.reshape(corner_uvs.shape[:-1])
