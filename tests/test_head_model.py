"""The bundled head model: schema, skinning, lids, lips, teeth and texture layout."""

import numpy as np
import pytest
import torch

from avatarmmc_blender.backend.head_model import EXPRESSIONS, JOINT_NAMES, load_bundled
from avatarmmc_blender.backend.head_model.model import BUNDLED_PATH, rotation_matrices

SKIN, TONGUE, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH = range(6)
RAY_STEP = 0.0005  # metres between parallel rays


@pytest.fixture(scope="module")
def model():
    return load_bundled()


@pytest.fixture(scope="module")
def betas():
    return torch.randn(12, 64, generator=torch.Generator().manual_seed(5))


def amounts(count, **values):
    expression = torch.zeros(count, len(EXPRESSIONS))
    for name, value in values.items():
        sides = [name] if name in EXPRESSIONS else [f"{name}Left", f"{name}Right"]
        for side in sides:
            expression[:, EXPRESSIONS.index(side)] = value
    return expression


def triangles(quads):
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def part_triangles(model, part):
    faces = model.faces.numpy()
    return triangles(faces[model.part.numpy()[faces[:, 0]] == part])


def visible_areas(soups, centre, half_size, yaw):
    """Return the area (mm2) of each triangle soup (T,3,3) that parallel rays meet first."""
    scene_module = pytest.importorskip("embreex.rtcore_scene")
    mesh_module = pytest.importorskip("embreex.mesh_construction")
    scene = scene_module.EmbreeScene()
    mesh_module.TriangleMesh(scene, np.concatenate(soups).astype(np.float32))
    owner = np.repeat(np.arange(len(soups)), [len(soup) for soup in soups])
    angle = np.radians(yaw)
    forward = np.array([-np.sin(angle), np.cos(angle), 0.0])
    right = np.array([np.cos(angle), np.sin(angle), 0.0])
    x, z = np.meshgrid(
        np.arange(-half_size[0], half_size[0], RAY_STEP),
        np.arange(-half_size[1], half_size[1], RAY_STEP),
    )
    origins = centre + x.reshape(-1, 1) * right + z.reshape(-1, 1) * [0, 0, 1] - 0.3 * forward
    directions = np.tile(forward, (len(origins), 1))
    hit = scene.run(origins.astype(np.float32), directions.astype(np.float32), output=True)
    first = hit["primID"]
    counts = np.bincount(owner[first[first >= 0]], minlength=len(soups))
    return counts * RAY_STEP**2 * 1e6


def test_file_is_small():
    assert BUNDLED_PATH.stat().st_size <= 8_000_000


def test_missing_or_incomplete_file_is_told(tmp_path):
    with pytest.raises(ValueError, match="not found"):
        load_bundled(tmp_path / "none.npz")
    np.savez(tmp_path / "part.npz", v_template=np.zeros((3, 3)))
    with pytest.raises(ValueError, match="lacks the array"):
        load_bundled(tmp_path / "part.npz")


def test_flame_schema(model):
    count = len(model.v_template)
    assert model.shapedirs.shape == (count, 3, 64)
    assert model.exprdirs.shape == (count, 3, 52)
    assert model.posedirs.shape == (36, count * 3)
    assert model.J_regressor.shape == (5, count) and model.lbs_weights.shape == (count, 5)
    assert model.parents == (-1, 0, 1, 1, 1)
    assert JOINT_NAMES == ("root", "neck", "jaw", "left_eye", "right_eye")
    assert len(set(EXPRESSIONS)) == 52
    assert torch.allclose(model.lbs_weights.sum(1), torch.ones(count), atol=1e-5)
    assert torch.allclose(model.J_regressor.sum(1), torch.ones(5), atol=1e-3)
    assert model.faces.min() == 0 and model.faces.max() == count - 1
    assert model.uv_faces.max() == len(model.uvs) - 1
    assert model.uvs.min() >= 0 and model.uvs.max() <= 1


def test_left_is_positive_x(model):
    for name, sign in (("left_eye", 1), ("right_eye", -1)):
        assert sign * model.v_template[model.rims[f"{name}_upper"], 0].mean() > 0.02
    for name in ("mouthSmileLeft", "eyeBlinkLeft", "browDownLeft"):
        moved = model.exprdirs[:, :, EXPRESSIONS.index(name)].norm(dim=1)
        assert (moved * model.v_template[:, 0]).sum() > 0


def test_rest_pose_changes_nothing(model, betas):
    expression = amounts(len(betas), mouthSmile=0.5)
    vertices, joints = model.forward(betas, expression)
    posed, posed_joints = model.forward(betas, expression, torch.zeros(len(betas), 5, 3))
    assert torch.allclose(vertices, posed, atol=1e-6)
    assert torch.allclose(joints, posed_joints, atol=1e-6)


def test_root_rotation_is_rigid(model, betas):
    pose = torch.zeros(2, 5, 3)
    pose[:, 0, 2] = 0.7
    vertices, joints = model.forward(betas[:2], amounts(2))
    posed, _ = model.forward(betas[:2], amounts(2), pose)
    rotation = rotation_matrices(pose[:, 0])
    pivot = joints[:, :1]
    expected = torch.einsum("bij,bvj->bvi", rotation, vertices - pivot) + pivot
    assert (expected - posed).abs().max() < 1e-5


def test_wrong_shapes_are_told(model):
    with pytest.raises(ValueError, match=r"betas: expected shape \(B,64\)"):
        model.shaped(torch.zeros(1, 10))
    with pytest.raises(ValueError, match="expression"):
        model.expressed(torch.zeros(1, 64), torch.zeros(1, 5))
    with pytest.raises(ValueError, match="pose"):
        model.forward(torch.zeros(1, 64), torch.zeros(1, 52), torch.zeros(1, 3))


def test_jaw_bone_agrees_with_jaw_open(model):
    angle = np.radians(23.2)
    pose = torch.zeros(1, 5, 3)
    pose[0, 2, 0] = angle
    by_bone, _ = model.forward(torch.zeros(1, 64), amounts(1), pose)
    by_shape = model.expressed(torch.zeros(1, 64), amounts(1, jawOpen=1))
    assert (by_bone - by_shape).norm(dim=2).max() < 1e-3


def test_expression_offsets_are_the_expressions(model, betas):
    offsets = model.expression_offsets(betas[:2])
    rest = model.shaped(betas[:2])
    for name in ("eyeBlinkLeft", "jawOpen"):
        moved = model.expressed(betas[:2], amounts(2, **{name: 1}))
        assert torch.allclose(moved - rest, offsets[:, EXPRESSIONS.index(name)], atol=1e-6)


def test_skull_is_still_in_every_expression(model):
    skull = (model.canonical[:, 2] > 0.08) & (model.canonical[:, 1] > 0.05)
    assert model.exprdirs[skull].abs().max() < 1e-3


def test_guide_surface_is_watertight(model, betas):
    faces = model.surface_faces.numpy()
    assert faces.shape == (35_300, 3) and model.surface_canonical.shape == (17_654, 3)
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {tuple(side) for side in sides.tolist()}
    assert len(directed) == len(sides)
    assert all((end, start) in directed for start, end in directed)
    corners = model.subdivide(model.shaped(betas[:1]))[0][model.surface_faces]
    cross = torch.linalg.cross(corners[:, 1], corners[:, 2])
    assert 0.004 < (corners[:, 0] * cross).sum() / 6 < 0.009


def test_subdivision_follows_the_vertices(model, betas):
    shift = torch.tensor([0.1, -0.2, 0.3])
    vertices = model.shaped(betas[:2])
    moved = model.subdivide(vertices + shift)
    assert torch.allclose(moved, model.subdivide(vertices) + shift, atol=1e-5)


def test_eyeballs_are_spheres_and_joints_their_centres(model, betas):
    vertices = model.shaped(betas)
    centres, radii, gazes = model.eyeballs(vertices)
    assert torch.allclose(model.joints(vertices)[:, 3:], centres, atol=1e-5)
    ball = vertices[:, model.part == LEFT_EYE]
    distance = (ball - centres[:, :1]).norm(dim=2)
    assert (distance - radii[:, :1]).abs().max() < 1e-4
    assert (gazes[..., 1] < -0.95).all()


def test_gaze_expressions_turn_the_eyeball(model):
    left = amounts(1, eyeLookOutLeft=1, eyeLookInRight=1)
    rest = model.eyeballs(model.v_template[None])
    moved = model.eyeballs(model.expressed(torch.zeros(1, 64), left))
    assert torch.allclose(rest[0], moved[0], atol=2e-4)
    assert torch.allclose(rest[1], moved[1], atol=1e-4)
    assert (moved[2][0, :, 0] - rest[2][0, :, 0]).min() > 0.2


@pytest.mark.parametrize("yaw", [0, 35, -35])
def test_full_blink_hides_the_eyeballs(model, betas, yaw):
    vertices = model.expressed(betas, amounts(len(betas), eyeBlink=1))
    surface = model.subdivide(vertices).numpy()
    centres = model.eyeballs(vertices)[0].numpy()
    for index in range(len(betas)):
        head = surface[index][model.surface_faces.numpy()]
        for eye, part in enumerate((LEFT_EYE, RIGHT_EYE)):
            ball = vertices[index].numpy()[part_triangles(model, part)]
            area = visible_areas([head, ball], centres[index, eye], (0.026, 0.018), yaw)[1]
            assert area < 0.3


def test_open_eyes_show_the_eyeballs(model):
    vertices = model.v_template[None]
    head = model.subdivide(vertices)[0].numpy()[model.surface_faces.numpy()]
    centre = model.eyeballs(vertices)[0][0, 0].numpy()
    ball = model.v_template.numpy()[part_triangles(model, LEFT_EYE)]
    assert visible_areas([head, ball], centre, (0.026, 0.018), 0)[1] > 250


def mouth_areas(model, betas, yaw, **expression):
    """Return visible areas (B,3) of mouth bag and tongue, upper teeth, lower teeth, mm2."""
    vertices = model.expressed(betas, amounts(len(betas), **expression))
    surface = model.subdivide(vertices).numpy()
    inside = model.masks["mouth_bag"] + model.masks["tongue"]
    inside = model.subdivide(inside[None, :, None].expand(1, -1, 3))[0, :, 0].numpy()
    faces = model.surface_faces.numpy()
    hidden = inside[faces].mean(1) > 0.4
    areas = []
    for index in range(len(betas)):
        soups = [surface[index][faces[~hidden]], surface[index][faces[hidden]]]
        for part in (UPPER_TEETH, LOWER_TEETH):
            soups.append(vertices[index].numpy()[part_triangles(model, part)])
        areas.append(visible_areas(soups, np.array([0, 0, -0.085]), (0.045, 0.03), yaw)[1:])
    return np.array(areas)


@pytest.mark.parametrize("yaw", [0, 30])
def test_mouth_is_closed_at_rest(model, betas, yaw):
    areas = mouth_areas(model, betas, yaw)
    assert areas[:, 0].mean() < 2
    assert areas[:, 1:].max() == 0


def test_teeth_show_in_open_mouth_and_smile(model, betas):
    opened = mouth_areas(model, betas[:6], 0, jawOpen=1)
    assert opened[:, 1].min() > 30 and opened[:, 2].mean() > 10
    smile = mouth_areas(model, betas[:4], 0, mouthSmile=1, jawOpen=0.3)
    assert smile[:, 1].min() > 80


def test_upper_teeth_follow_the_skull_and_lower_the_jaw(model):
    upper, lower = model.part == UPPER_TEETH, model.part == LOWER_TEETH
    assert model.exprdirs[upper].abs().max() == 0
    opened = model.exprdirs[lower][:, :, EXPRESSIONS.index("jawOpen")]
    assert opened[:, 2].mean() < -0.01
    assert (model.lbs_weights[upper, 1] == 1).all() and (model.lbs_weights[lower, 2] == 1).all()


def test_texture_layout(model):
    skin = model.part[model.faces[:, 0]] <= TONGUE
    corners = model.uvs[model.uv_faces[skin]]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    doubled_area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    assert (doubled_area > 0).all()
    in_space = model.canonical[model.faces[skin]]
    cross = torch.linalg.cross(in_space[:, 1] - in_space[:, 0], in_space[:, 2] - in_space[:, 0])
    density = (doubled_area / cross.norm(dim=1)).sqrt()
    face = model.masks["face"][model.faces[skin]].mean(1) > 0.9
    back = in_space[..., 1].mean(1) > 0.12
    assert density[face].median() > 1.05 * density[back].median()


def test_surface_texture_matches_the_coarse_one(model):
    covered = model.surface_uv_faces[:, 0] >= 0
    assert int((~covered).sum()) < 100
    corners = model.surface_uvs[model.surface_uv_faces[covered]]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum() / 2
    coarse = model.uvs[model.uv_faces[model.part[model.faces[:, 0]] <= TONGUE]]
    one, two = coarse[:, 2] - coarse[:, 0], coarse[:, 3] - coarse[:, 1]
    expected = (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).sum() / 2
    assert torch.allclose(area, expected, rtol=1e-3)


def test_masks_lie_where_they_should(model):
    for name in ("skin", "lips", "brows", "eyes", "ears", "scalp", "neck", "teeth"):
        mask = model.masks[name]
        assert mask.min() >= 0 and mask.max() == 1
    centre = {
        name: (model.canonical * model.masks[name][:, None]).sum(0) / model.masks[name].sum()
        for name in model.masks
    }
    assert centre["scalp"][2] > 0.02 and centre["neck"][2] < -0.1
    assert centre["brows"][2] > centre["eyes"][2] > centre["nose"][2] > centre["lips"][2]


def test_landmarks_are_symmetric_and_ordered(model):
    points = model.canonical[model.landmarks]
    pairs = [(i, 16 - i) for i in range(8)] + [(17 + i, 26 - i) for i in range(5)]
    pairs += [(36, 45), (39, 42), (48, 54), (60, 64)]
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    for first, second in pairs:
        assert (points[first] - points[second] * mirror).norm() < 0.003
    assert (points[:8, 0] < -0.03).all() and (points[9:17, 0] > 0.03).all()
    assert (points[0:8, 2].diff() < 0).all()
    assert points[8, 2] == points[:, 2].min()
    assert points[27, 2] > points[30, 2] > points[33, 2] > points[51, 2] > points[57, 2]


def test_directions_change_what_they_say(model):
    def width(betas):
        ids = model.landmarks[[4, 12]]
        return (model.shaped(betas)[0, ids[1], 0] - model.shaped(betas)[0, ids[0], 0]).item()

    masculine = model.directions["masc"][None]
    assert masculine.shape == (1, 64) and {"age", "weight", "african"} <= set(model.directions)
    heavier = model.directions["weight"][None] * 3
    assert width(heavier) > width(torch.zeros(1, 64))
