"""FLAME files of every edition and layout, and landmark embeddings."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from avatarmmc_blender.backend.checkpoints.errors import CheckpointError
from avatarmmc_blender.backend.checkpoints.flame_file import FlameArrays, read_flame
from avatarmmc_blender.backend.checkpoints.landmarks_file import read_landmarks
from tests.flame_files import flame_numbers, flame_pickle, landmark_values, npz


def check(found: FlameArrays) -> None:
    """Compare with the numbers that were written."""
    numbers = flame_numbers()
    assert np.array_equal(found.v_template, numbers["v_template"].astype(np.float32))
    assert np.array_equal(found.shapedirs, numbers["shapedirs"][:, :, :300].astype(np.float32))
    assert np.array_equal(found.exprdirs, numbers["shapedirs"][:, :, 300:].astype(np.float32))
    pose = numbers["posedirs"].reshape(-1, 36).T.astype(np.float32)
    assert np.array_equal(found.posedirs, pose) and found.posedirs.shape == (36, 15069)
    assert np.array_equal(found.J_regressor, numbers["J_regressor"].astype(np.float32))
    assert found.kintree_table[0].tolist() == [-1, 0, 1, 1, 1]
    assert np.array_equal(found.lbs_weights, numbers["weights"].astype(np.float32))
    assert np.array_equal(found.faces, numbers["f"]) and found.faces.dtype == np.int64
    floats = (found.v_template, found.shapedirs, found.posedirs, found.J_regressor)
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in floats)


@pytest.mark.parametrize("protocol", [0, 2])
def test_python2_pickles_with_chumpy_and_old_scipy(tmp_path, protocol):
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(flame_pickle(protocol))
    check(read_flame(path))


@pytest.mark.parametrize(
    "protocol, layout",
    [
        (0, "csc_matrix"),
        (1, "coo_matrix"),
        (2, "csr_matrix"),
        (3, "dense"),
        (4, "csc_matrix"),
        (4, "csr_array"),
        (5, "coo_matrix"),
        (5, "dense"),
    ],
)
def test_pickles_of_this_python(tmp_path, protocol, layout):
    values = flame_numbers() | {"bs_type": "lrotmin", "names": np.array(["root", "neck"])}
    if layout != "dense":
        values["J_regressor"] = getattr(scipy.sparse, layout)(values["J_regressor"])
    path = tmp_path / "flame2023.pkl"
    path.write_bytes(pickle.dumps(values, protocol))
    check(read_flame(path))


def test_npz_with_both_or_separate_directions(tmp_path):
    numbers = flame_numbers()
    path = tmp_path / "flame.npz"
    path.write_bytes(npz(numbers))
    check(read_flame(path))
    shapes, expressions = np.split(numbers.pop("shapedirs"), [300], axis=2)
    np.savez_compressed(path, **numbers, shapedirs=shapes, expressiondirs=expressions)
    check(read_flame(path))
    numbers["posedirs"] = numbers["posedirs"].reshape(-1, 36).T
    np.savez(path, **numbers, shapedirs=shapes[:, :, :100], exprdirs=expressions[:, :, :50])
    found = read_flame(path)
    assert found.shapedirs.shape[2] == 100 and found.exprdirs.shape[2] == 50


def test_the_variant_is_told_by_the_name(tmp_path):
    for name, variant in {
        "female_model": "female",
        "male_model": "male",
        "flame2023": "generic",
    }.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(npz(flame_numbers()))
        assert read_flame(path).variant == variant


def test_the_edition_without_jaw_rotation_is_refused(tmp_path):
    path = tmp_path / "flame2023_no_jaw.pkl"
    path.write_bytes(flame_pickle())
    with pytest.raises(CheckpointError, match="without the jaw.*flame2023.pkl"):
        read_flame(path)


def embedding_file(path: Path, tensors: bool) -> Path:
    values = landmark_values()
    if tensors:
        for name in ("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords"):
            values[name] = torch.from_numpy(values[name])
    np.save(path, values, allow_pickle=True)
    return path


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("tensors", [True, False])
def test_landmarks_in_an_array_of_one_dictionary(tmp_path, tensors):
    found = read_landmarks(embedding_file(tmp_path / "landmark_embedding.npy", tensors))
    check_landmarks(found)


def test_landmarks_in_an_npz_and_without_the_full_set(tmp_path):
    path = tmp_path / "landmarks.npz"
    path.write_bytes(npz(landmark_values()))
    check_landmarks(read_landmarks(path))
    some = {k: v for k, v in landmark_values().items() if not k.startswith("full")}
    path.write_bytes(npz(some))
    check_landmarks(read_landmarks(path))


def check_landmarks(found) -> None:
    values = landmark_values()
    assert np.array_equal(found.static_faces, values["static_lmk_faces_idx"])
    assert np.array_equal(found.dynamic_faces, values["dynamic_lmk_faces_idx"])
    weights = values["dynamic_lmk_bary_coords"].astype(np.float32)
    assert np.array_equal(found.dynamic_weights, weights)


@pytest.mark.parametrize("name", ["landmark_embedding.npy", "landmark_embedding.npz"])
def test_missing_landmarks_are_said_so(tmp_path, name):
    with pytest.raises(CheckpointError, match="DECA"):
        read_landmarks(tmp_path / name)
