"""Heads read back from files, and files that are no heads."""

from __future__ import annotations

import base64
import json
import struct
import zipfile

import numpy as np
import pytest

from avatarmmc_blender.errors import AvatarError
from avatarmmc_blender.head_file import StoredHead, read_head, stored_head, write_latent_file
from avatarmmc_blender.metadata import PREFIX, encode_latent

LATENT = np.random.default_rng(0).normal(size=256).astype(np.float32)
SETTINGS = {"seed": 42, "model": "bundled", "attributes": {"age": 0.25}}
METADATA = {
    "version": "9.9.9",
    "model": "avatarmmc-bundled-1",
    "model_sha256": "ab" * 32,
    "seed": "42",
    "settings": json.dumps(SETTINGS),
    "latent": encode_latent(LATENT),
    "evidence": json.dumps({"attributes": {"age": 0.25}}),
}


def prefixed(**changes):
    return {PREFIX + name: text for name, text in (METADATA | changes).items() if text is not None}


def glb(document, magic=b"glTF", version=2, kind=b"JSON", announced=None, length=None):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    count = len(content) if announced is None else announced
    total = 20 + len(content) if length is None else length
    return struct.pack("<4sII", magic, version, total) + struct.pack("<I4s", count, kind) + content


def head_glb(*heads):
    return glb({"nodes": [{"name": "mesh"}, *({"extras": extras} for extras in heads)]})


def check_whole(head):
    assert isinstance(head, StoredHead) and head.is_bundled
    assert head.latent.dtype == np.float32 and np.array_equal(head.latent, LATENT)
    assert head.settings == SETTINGS
    assert (head.model, head.model_sha256) == (METADATA["model"], METADATA["model_sha256"])
    assert head.evidence == {"attributes": {"age": 0.25}}


def test_a_glb_is_read_without_blender(tmp_path):
    path = tmp_path / "head.GLB"
    path.write_bytes(head_glb(prefixed()))
    check_whole(read_head(path))


def test_an_npz_comes_back_bit_for_bit_and_is_plain_numpy(tmp_path):
    path = tmp_path / "head.npz"
    write_latent_file(path, METADATA)
    check_whole(read_head(path))
    with np.load(path, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["latent"], LATENT)
    assert [item.name for item in tmp_path.iterdir()] == ["head.npz"]


def test_a_head_of_the_first_version_has_a_shorter_latent_and_no_evidence(tmp_path):
    path = tmp_path / "head.npz"
    old = {**METADATA, "latent": encode_latent(LATENT[:104])}
    del old["evidence"]
    write_latent_file(path, old)
    head = read_head(path)
    assert len(head.latent) == 104 and head.evidence is None


def test_an_official_models_head_may_have_any_latent():
    settings = json.dumps({**SETTINGS, "model": "next3d-1234"})
    head = stored_head(prefixed(settings=settings, latent=encode_latent(LATENT[:50])), "it")
    assert not head.is_bundled


@pytest.mark.parametrize("suffix", [".glb", ".blend"])
def test_exported_heads_are_read(suffix, rigged_head, empty_scene, tmp_path):
    from avatarmmc_blender.export import export_head
    from avatarmmc_blender.scene import build_scene

    collection = build_scene(rigged_head, "Avatar 0042", METADATA)
    rig = next(item for item in collection.objects if item.type == "ARMATURE")
    path = tmp_path / f"head{suffix}"
    export_head(rig, path)
    check_whole(read_head(path))
    check_whole(stored_head(rig, rig.name))


def not_finite():
    latent = LATENT.copy()
    latent[3] = np.nan
    return encode_latent(latent)


BROKEN_GLB = {
    "empty": (b"", "no binary glTF"),
    "another format": (b"\x89PNG" + bytes(100), "no binary glTF"),
    "glTF 1": (glb({}, version=1), "glTF 1"),
    "binary chunk first": (glb({}, kind=b"BIN\0"), "without the JSON"),
    "cut off": (head_glb(prefixed())[:-200], "cut off"),
    "huge JSON": (glb({}, announced=2**32 - 1), "cut off"),
    "huge length": (glb({}, length=2**32 - 1), "cut off"),
    "no JSON": (glb(b"{'nodes'"), "no JSON"),
    "deep JSON": (glb(b"[" * 100_000), "no JSON"),
    "JSON in no UTF": (glb(b"\xff\xfe\xff"), "no JSON"),
    "a list": (glb([1, 2]), "no head of AvatarMMC"),
    "nodes of numbers": (glb({"nodes": [1, None]}), "no head of AvatarMMC"),
    "nodes no list": (glb({"nodes": 7}), "no head of AvatarMMC"),
    "no extras": (glb({"nodes": [{"name": "Cube", "extras": "text"}]}), "no head of AvatarMMC"),
    "two heads": (head_glb(prefixed(), prefixed()), "holds 2 heads"),
    "no settings": (head_glb(prefixed(settings=None)), "settings is missing"),
    "number for a text": (head_glb(prefixed(model=5)), "model is missing"),
    "settings no JSON": (head_glb(prefixed(settings="{")), "settings that are no JSON"),
    "settings a list": (head_glb(prefixed(settings="[]")), "settings that are list"),
    "evidence a number": (head_glb(prefixed(evidence="3")), "evidence that are int"),
    "latent no base64": (head_glb(prefixed(latent="#?!")), "not base64"),
    "latent of odd bytes": (head_glb(prefixed(latent="AAAA")), "3 bytes"),
    "no latent": (head_glb(prefixed(latent="")), "0 bytes"),
    "wrong length": (head_glb(prefixed(latent=encode_latent(LATENT[:255]))), "255 numbers"),
    "not finite": (head_glb(prefixed(latent=not_finite())), "not finite"),
}


@pytest.mark.parametrize("name", BROKEN_GLB)
def test_a_glb_that_is_no_head_is_one_sentence(name, tmp_path):
    content, words = BROKEN_GLB[name]
    path = tmp_path / "odd.glb"
    path.write_bytes(content)
    refused(path, words)


def refused(path, words):
    with pytest.raises(AvatarError) as caught:
        read_head(path)
    message = str(caught.value)
    assert words in message and path.name in message
    assert len(message.splitlines()) == 1 and message.endswith(".") and len(message) < 250


def save(path, **arrays):
    texts = {name: np.frombuffer(text.encode(), np.uint8) for name, text in METADATA.items()}
    np.savez(path, **(texts | {"latent": LATENT} | arrays))


def announce(path, size):
    """Write an archive whose directory says that the latent has `size` bytes."""
    save(path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("latent.npy")
    end = data.rfind(b"PK\x05\x06")
    at = struct.unpack_from("<I", data, end + 16)[0]
    while data[at + 46 : at + 46 + len("latent.npy")] != b"latent.npy":
        at = data.index(b"PK\x01\x02", at + 4)
    assert struct.unpack_from("<I", data, at + 24)[0] == entry.file_size
    struct.pack_into("<I", data, at + 24, size)
    path.write_bytes(data)


BROKEN_NPZ = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "no archive": (lambda path: path.write_bytes(b"latent" * 100), "end is missing"),
    "cut off": (lambda path: (save(path), path.write_bytes(path.read_bytes()[:-100])), "missing"),
    "no latent": (lambda path: np.savez(path, other=LATENT), "no head of AvatarMMC"),
    "latent alone": (lambda path: np.savez(path, latent=LATENT), "missing"),
    "pickled": (lambda path: save(path, latent=np.array([{1: 2}, None], object)), "latent"),
    "pickled text": (lambda path: save(path, settings=np.array([{}], object)), "settings"),
    "text in another type": (lambda path: save(path, model=np.array("bundled")), "UTF-8"),
    "text in no UTF": (lambda path: save(path, model=np.full(9, 255, np.uint8)), "UTF-8"),
    "wrong length": (lambda path: save(path, latent=LATENT[:17]), "17 numbers"),
    "a table": (lambda path: save(path, latent=LATENT.reshape(16, 16)), "(16, 16)"),
    "whole numbers": (lambda path: save(path, latent=np.arange(256)), "int64"),
    "not finite": (lambda path: save(path, latent=np.full(256, np.inf)), "not finite"),
    "a bomb": (lambda path: announce(path, 2**31), "MB"),
}


@pytest.mark.parametrize("name", BROKEN_NPZ)
def test_an_npz_that_is_no_head_is_one_sentence(name, tmp_path):
    write, words = BROKEN_NPZ[name]
    path = tmp_path / "odd.npz"
    write(path)
    refused(path, words)


def test_nothing_pickled_is_ever_run(tmp_path):
    class Canary:
        def __reduce__(self):
            return (tmp_path.joinpath("canary").touch, ())

    path = tmp_path / "odd.npz"
    save(path, latent=np.array([Canary()], object))
    refused(path, "odd.npz")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello" * 9, "no file of Blender"),
        (b"BLENDER-v500" + b"x" * 200, "odd.blend"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 200, "damaged"),
    ],
)
def test_a_blend_that_is_no_head_is_one_sentence(content, words, tmp_path):
    pytest.importorskip("bpy")
    path = tmp_path / "odd.blend"
    path.write_bytes(content)
    refused(path, words)


def test_a_blend_cut_off_does_not_take_the_program_with_it(rigged_head, empty_scene, tmp_path):
    path = tmp_path / "head.blend"
    empty_scene.data.libraries.write(str(path), {empty_scene.data.scenes[0]}, compress=True)
    refused(path, "no head of AvatarMMC")
    path.write_bytes(path.read_bytes()[:-400])
    refused(path, "damaged")


@pytest.mark.parametrize(
    ("name", "words"), [("head.fbx", ".glb, .blend or .npz"), ("none.glb", "There is no file")]
)
def test_files_that_cannot_be_heads(name, words, tmp_path):
    refused(tmp_path / name, words)


def test_texts_can_be_read_from_an_object_alone():
    check_whole(stored_head(prefixed(), "Avatar 0042"))
    with pytest.raises(AvatarError, match="^Avatar 0042 holds a latent that is not base64"):
        stored_head(prefixed(latent="?"), "Avatar 0042")
    assert base64.b64decode(METADATA["latent"])
