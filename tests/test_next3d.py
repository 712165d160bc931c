"""Next3D against the public program's numbers; rasteriser, masks and mouth by definition."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from avatarmmc_blender.backend.official.load import load_official
from avatarmmc_blender.backend.official.rasterizer import rasterize
from avatarmmc_blender.backend.official.reenact import reenact
from avatarmmc_blender.backend.official.verify import verify_folder
from avatarmmc_blender.backend.official.views import fill_holes, mouth_boxes
from tests import reference_next3d
from tests.official_reference import DATA, reference

FOLDER = DATA / "next3d_tiny"


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def identity():
    inputs, generator = reference("next3d").inputs, reference("next3d").generator
    return generator.prepare(generator.mapping(inputs["z"], inputs["c_conditioning"], 0.7, 14))


def test_everything_agrees_with_the_public_program():
    comparisons = verify_folder(FOLDER)
    assert [c.line() for c in comparisons if not c.passed] == []
    names = {c.name for c in comparisons}
    assert {f"raster/{view}/pix_to_face" for view in ("front", "side_p90", "side_m90", "top")} <= (
        names
    )
    assert {"mouth_mask", "alpha/side", "all/sigma", "front/sigma", "batch2/ws"} <= names
    assert len(comparisons) >= 70


def flood(alpha: np.ndarray) -> np.ndarray:
    passable, reached = alpha * np.float32(255) <= 254, np.zeros(alpha.shape, bool)
    waiting = [(0, 0)] if passable[0, 0] else []
    while waiting:
        r, c = waiting.pop()
        if not (0 <= r < len(alpha) and 0 <= c < len(alpha)):
            continue
        if passable[r, c] and not reached[r, c]:
            reached[r, c] = True
            waiting += [(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
    return np.where(reached, alpha, 1.0)


@pytest.mark.parametrize("density", [0.2, 0.45, 0.7])
def test_holes_are_what_a_flood_from_the_corner_does_not_reach(density):
    rng = np.random.default_rng(int(100 * density))
    alpha = np.where(rng.random((3, 24, 24)) < density, 1.0, rng.random((3, 24, 24)) * 0.9)
    alpha = alpha.astype(np.float32)
    alpha[:, 0, 0] = 0.0
    alpha[2, 0] = 0.3
    filled = fill_holes(torch.from_numpy(alpha)).numpy()
    assert np.array_equal(filled, np.stack([flood(own) for own in alpha]))


def triangle_weights(corners: np.ndarray, x: float, y: float) -> np.ndarray | None:
    (ax, ay), (bx, by), (cx, cy) = corners[:, :2]
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area <= 1e-8:
        return None
    weights = [
        (bx - x) * (cy - y) - (by - y) * (cx - x),
        (cx - x) * (ay - y) - (cy - y) * (ax - x),
        (ax - x) * (by - y) - (ay - y) * (bx - x),
    ]
    return np.array(weights) / (area + 1e-8)


def test_every_pixel_sees_the_nearest_face_that_turns_to_it():
    rng = np.random.default_rng(3)
    size, vertices = 16, rng.uniform(-1.2, 1.2, (2, 12, 3))
    vertices[..., 2] = rng.uniform(1.0, 2.0, (2, 12))
    faces = rng.integers(0, 12, (30, 3))
    faces[20:] = faces[:10]  # of equally near faces the first counts
    seen = rasterize(torch.from_numpy(vertices).float(), torch.from_numpy(faces), size)
    for image in range(2):
        for r in range(size):
            for c in range(size):
                best, found = np.inf, -1
                for k, face in enumerate(faces):
                    corners = vertices[image, face]
                    x, y = (2 * c + 1) / size - 1, (2 * r + 1) / size - 1
                    weights = triangle_weights(corners, x, y)
                    if weights is not None and (weights > 0).all():
                        z = weights @ corners[:, 2]
                        if z < best - 1e-6:
                            best, found = z, k
                assert seen.face[image, r, c] == found
                if found >= 0:
                    assert seen.depth[image, r, c].item() == pytest.approx(best, abs=1e-4)
    values = torch.ones(30, 3, 1)
    covered = seen.interpolate(values)[..., 0]
    assert torch.allclose(covered, seen.coverage.float(), atol=1e-4)


def test_nothing_in_view_is_an_empty_picture():
    vertices = torch.tensor([[[3.0, 3.0, 1.0], [4.0, 3.0, 1.0], [3.0, 4.0, 1.0]]])
    seen = rasterize(vertices, torch.tensor([[0, 1, 2]]), 8)
    assert not seen.coverage.any() and (seen.depth == -1).all()


def test_a_batch_is_its_samples():
    generator, mesh, own = (
        reference("next3d").generator,
        reference("next3d").inputs["v"],
        identity(),
    )
    moved = mesh * torch.tensor([1.05, 1.0, 1.0])
    both = generator.prepare(own.ws.expand(2, -1, -1))
    for rule in ("front", "all"):
        together = generator.planes(both, torch.cat([mesh, moved]), rule)
        for i, single in enumerate((mesh, moved)):
            alone = generator.planes(own, single, rule)
            assert torch.allclose(together[i : i + 1], alone, atol=1e-4)


def test_only_the_first_plane_moves_as_the_release_has_it():
    generator, mesh, own = (
        reference("next3d").generator,
        reference("next3d").inputs["v"],
        identity(),
    )
    front = generator.planes(own, mesh)
    everywhere = generator.planes(own, mesh, "all")
    assert torch.equal(front[:, 0], everywhere[:, 0])
    assert torch.equal(front[:, 1:], own.static_planes[:, 1:])
    assert not torch.equal(front[:, 1:], everywhere[:, 1:])


def test_reenactment_keeps_the_identity_and_follows_the_mesh():
    generator, inputs, own = reference("next3d").generator, reference("next3d").inputs, identity()
    mesh = inputs["v"]
    moved = mesh.clone()
    moved[..., 1] += 0.003
    camera = inputs["c_camera"]
    frames = list(reenact(generator, own, [mesh, moved, mesh], camera, 16, final=False))
    assert torch.equal(frames[0].raw.image, frames[2].raw.image)
    assert not torch.equal(frames[0].raw.image, frames[1].raw.image)
    assert frames[0].image is None
    pixels = frames[1].pixels()
    assert pixels.shape == (16, 16, 3) and pixels.dtype == torch.uint8
    (final,) = reenact(generator, own, iter([mesh]), camera, 16)
    assert final.image.shape == (1, 3, 512, 512)


def test_meshes_of_other_sizes_and_mouths_outside_are_refused():
    generator, mesh, own = (
        reference("next3d").generator,
        reference("next3d").inputs["v"],
        identity(),
    )
    with pytest.raises(ValueError, match=r"\(B, 5091, 3\).*got \(1, 5023, 3\)"):
        generator.planes(own, mesh[:, :5023])
    with pytest.raises(ValueError, match="mouth's square"):
        mouth_boxes(torch.full((1, 68, 2), 1.5))


def test_projection_constants_may_be_parameters_of_the_state():
    prefix = str(FOLDER / "next3d")
    state = {k: torch.from_numpy(v) for k, v in np.load(f"{prefix}_state.npz").items()}
    extra = {k: torch.from_numpy(v) for k, v in np.load(f"{prefix}_nonstate.npz").items()}
    for name in ("orth_scale", "orth_shift"):
        state[name] = torch.nn.Parameter(extra.pop(name))
    config = reference("next3d").config["kwargs"]
    loaded = load_official(
        SimpleNamespace(family="next3d", config=config, state=state, extra=extra)
    )
    assert loaded.orth_scale.tolist() == [5.0]
    assert loaded.orth_shift.tolist() == pytest.approx([0.0, -0.01, -0.01])
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize("rule", ["front", "all"])
def test_the_plain_way_gives_the_same(rule):
    generator, inputs, own = reference("next3d").generator, reference("next3d").inputs, identity()
    fast = generator.planes(own, inputs["v"], rule)
    plain = reference_next3d.next3d_planes(generator, own.ws, inputs["v"], rule)
    assert torch.allclose(fast, plain, atol=1e-4)
    raw = generator.render(fast, inputs["c_camera"], 16)
    plain_raw = reference_next3d.render(generator, plain, inputs["c_camera"], 16)
    assert torch.allclose(raw.image, plain_raw.image, atol=2e-3)
    if rule == "front":
        image = generator.super_resolve(raw, own.ws)
        plain_image = reference_next3d.super_resolve(
            generator.superresolution, plain_raw.features, own.ws
        )
        assert torch.allclose(image, plain_image, atol=5e-3)
