"""Framing, the face network, finding faces, and training on views made into photos."""

import dataclasses
import math

import pytest
import torch

from avatarmmc_blender.backend.encoders.layout import layout, layout_width
from avatarmmc_blender.backend.encoders.visual import TOKEN_GRID, TOKEN_WIDTH, VisualEncoder
from avatarmmc_blender.backend.generator.cameras import orbit_camera
from avatarmmc_blender.backend.generator.fast_images import project
from avatarmmc_blender.backend.head_model.model import load_bundled as load_head_model
from avatarmmc_blender.backend.perception.framing import Frame, cut, frame_around
from avatarmmc_blender.backend.perception.landmarks import angles, landmark_loss, rotation_of
from avatarmmc_blender.backend.perception.network import FaceNetwork
from avatarmmc_blender.backend.perception.parser import overlaps, parser_loss, shows_face
from avatarmmc_blender.backend.perception.photo import Photo, PhotoError
from avatarmmc_blender.backend.perception.reading import read_face
from avatarmmc_blender.backend.perception.verification import identity_loss, similarity
from avatarmmc_blender.backend.perception.weights import (
    FaceWeightsError,
    load_face_network,
    save_face_network,
)
from avatarmmc_blender.backend.training.pairs import Views
from avatarmmc_blender.backend.training.perception import (
    PerceptionSettings,
    PerceptionTrainer,
    check,
    train,
)
from avatarmmc_blender.backend.training.photo_augment import augment, plain

SIZE = 128
TINY = PerceptionSettings(steps=6, heads=2, warm_up=2, held_out=2)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model():
    return load_head_model()


def simple_views(model, heads=6, views=2):
    """Views of the average head's landmarks on a disc of skin: quick to make."""
    rng = torch.Generator().manual_seed(1)
    batch = heads * views
    line = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    disc = (line[:, None] ** 2 + line[None] ** 2).sqrt() < 0.35
    yaw = 0.5 * torch.randn(batch, generator=rng)
    cameras = orbit_camera(yaw, torch.zeros(batch), 1.5, torch.tensor([0.0, 0.03, 0.0]))
    intrinsics = torch.tensor([[3.5, 0, 0.5], [0, 3.5, 0.5], [0, 0, 1.0]])
    places = model.v_template[model.landmarks]
    landmarks = torch.stack([project(places, camera, intrinsics)[0] for camera in cameras])
    tone = torch.randint(60, 230, (heads, 3, 1, 1), generator=rng).repeat_interleave(views, 0)
    normal = torch.zeros(batch, 3, SIZE, SIZE, dtype=torch.int8)
    normal[:, 2] = -127
    return Views(
        head=torch.arange(heads).repeat_interleave(views),
        z=torch.zeros(batch, 104),
        expression=torch.zeros(batch, 52),
        camera=torch.zeros(batch, 25),
        color=(tone * disc).to(torch.uint8),
        coverage=(255 * disc).to(torch.uint8).expand(batch, -1, -1).contiguous(),
        label=disc.to(torch.uint8).expand(batch, -1, -1).contiguous(),
        normal=normal * disc,
        landmarks=landmarks,
        seen=torch.ones(batch, 68, dtype=torch.bool),
        rotation=cameras[:, :3, :3].mT.contiguous(),
    )


def test_frame_follows_the_head(model):
    places = model.v_template[model.landmarks]
    sides = []
    for yaw in (0.0, 0.5, 1.0):
        camera = orbit_camera(
            torch.tensor([yaw]), torch.zeros(1), 1.5, torch.tensor([0.0, 0.03, 0.0])
        )[0]
        frame = frame_around(project(places, camera, torch.eye(3))[0])
        sides.append(1.5 * frame.side)
        assert abs(frame.x) < 0.06 and abs(frame.y) < 0.06
    assert 0.33 < min(sides) and max(sides) < 0.45  # metres: the whole head with some hair


def test_frames_scale_and_come_back():
    frame = Frame(30.0, 20.0, 16.0)
    points = torch.tensor([[22.0, 12.0], [38.0, 28.0], [30.0, 20.0]])
    inside = frame.to_frame(points)
    assert torch.allclose(inside, torch.tensor([[0.0, 0], [1, 1], [0.5, 0.5]]))
    assert torch.allclose(frame.to_image(inside), points)
    assert frame.scaled(2).side == 32
    with pytest.raises(ValueError, match="above 0"):
        Frame(0, 0, 0)


@pytest.mark.parametrize("factor", [1, 3, 8])
def test_cut_reads_the_square(factor):
    line = torch.linspace(0, 1, 400 * factor)
    image = torch.stack([line.expand(len(line), -1), line[:, None].expand(-1, len(line))])
    picture, inside = cut(image, Frame(200.0 * factor, 100.0 * factor, 240.0 * factor))
    across = (80 + 240 * (torch.arange(SIZE) + 0.5) / SIZE) / 400
    assert torch.allclose(picture[0, 64], across, atol=0.006)
    assert not inside[0, 0].any() and inside[0, 64].all()
    down = (-20 + 240 * (torch.arange(SIZE) + 0.5) / SIZE) / 400
    assert torch.allclose(picture[1, :, 64], down.clamp(0, 1), atol=0.006)


def test_angles_of_cameras():
    yaw, pitch = torch.tensor([0.0, 0.5, -0.4]), torch.tensor([0.0, 0.2, -0.3])
    cameras = orbit_camera(yaw, pitch, 1.5, torch.zeros(3))
    read = angles(cameras[:, :3, :3].mT)
    assert torch.allclose(read[:, 0], torch.rad2deg(yaw), atol=1e-2)
    assert torch.allclose(read[:, 1], torch.rad2deg(pitch), atol=1e-2)
    assert read[:, 2].abs().max() < 1e-2


def test_any_values_make_a_rotation():
    rotation = rotation_of(torch.randn(5, 6))
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(5, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(5), atol=1e-5)


def test_losses_prefer_the_truth():
    labels = torch.randint(19, (2, SIZE, SIZE))
    right = 8.0 * torch.nn.functional.one_hot(labels, 19).movedim(-1, 1)
    assert parser_loss(right, labels) < 0.1 < parser_loss(right.roll(1, 1), labels)
    both, either = overlaps(right.argmax(1), labels)
    assert torch.equal(both, either) and both.sum() == labels.numel()
    truth, seen = torch.rand(2, 68, 2), torch.ones(2, 68, dtype=torch.bool)
    flat = torch.full((2, 68, 32, 32), -math.log(1024.0))
    assert landmark_loss(truth, flat, truth, seen) < landmark_loss(truth + 0.1, flat, truth, seen)
    head = torch.tensor([0, 0, 1, 1])
    apart = torch.eye(4)[[0, 0, 1, 1]]
    mixed = torch.eye(4)[[0, 1, 0, 1]]
    scale = torch.tensor(2.0)
    assert identity_loss(apart, head, scale) < identity_loss(mixed, head, scale)
    assert torch.equal(similarity(apart[:1], apart[1:2]), torch.ones(1))


def test_reading_does_not_depend_on_the_batch(model):
    network = FaceNetwork().eval()
    image = plain(simple_views(model, 2)).image
    with torch.no_grad():
        together, alone = network(image), network(image[1:2])
    assert together.logits.shape == (4, 19, SIZE, SIZE) and together.landmarks.shape == (4, 68, 2)
    assert torch.allclose(together.landmarks[1], alone.landmarks[0], atol=1e-4)
    assert torch.allclose(together.embedding[1], alone.embedding[0], atol=1e-4)


def test_networks_are_small():
    count = sum(p.numel() for net in (FaceNetwork(), VisualEncoder()) for p in net.parameters())
    assert 2 * count < 16e6


@dataclasses.dataclass(frozen=True)
class Given:
    """Conditions as far as the visual encoder looks at them."""

    image: torch.Tensor | None
    image_mask: torch.Tensor | None
    labels: torch.Tensor | None
    labels_mask: torch.Tensor | None
    landmarks: torch.Tensor | None = None

    def __len__(self):
        return 2


def test_what_is_masked_cannot_reach_the_tokens():
    encoder = VisualEncoder().eval()
    image, labels = torch.rand(2, 3, SIZE, SIZE), torch.randint(19, (2, SIZE, SIZE))
    mask = torch.ones(2, 1, SIZE, SIZE)
    half = mask.clone()
    half[..., :64] = 0
    with torch.no_grad():
        seen = encoder(Given(image, half, labels, half))
        changed, other = image.clone(), labels.clone()
        changed[..., :64], other[..., :64] = torch.nan, 3
        assert seen.tokens.shape == (2, TOKEN_GRID**2 + 1, TOKEN_WIDTH)
        assert agree(seen, encoder(Given(changed, half, other, half)), 0)
        alone = encoder(Given(image, mask, None, None))
        assert agree(alone, encoder(Given(image, mask, labels, 0 * mask)), 1e-6)
        assert not agree(alone, encoder(Given(image, mask, labels, mask)), 1e-3)
        maps = encoder(Given(None, None, labels, mask))
        assert agree(maps, encoder(Given(image, 0 * mask, labels, mask)), 1e-6)
        nothing = encoder(Given(None, None, None, None))
        assert agree(nothing, encoder(Given(image, 0 * mask, labels, 0 * mask)), 0)


def agree(a, b, tolerance):
    pairs = zip(vars(a).values(), vars(b).values(), strict=True)
    return all(torch.allclose(x, y, rtol=0, atol=tolerance) for x, y in pairs)


def classes(size=32):
    labels = torch.zeros(1, size, size, dtype=torch.int64)
    labels[:, 8:16, 4:12] = 3
    return torch.nn.functional.one_hot(labels, 5).movedim(-1, 1).float()


def test_layout_tells_where_a_class_lies_and_which_colour_it_has():
    image, mask = torch.full((1, 3, 32, 32), 0.25), torch.ones(1, 1, 32, 32)
    values, known = layout(image, mask, classes(), mask, None)
    assert values.shape == known.shape == (1, layout_width(5))
    rows = values[0, : 5 * 75].view(5, 75)
    there, size, x, y, spread_x, spread_y, slant, top, bottom, left, right = rows[3, :11].tolist()
    assert there == 1 and size == pytest.approx(0.25) and slant == pytest.approx(0, abs=1e-6)
    assert (x, y) == (pytest.approx(-0.5), pytest.approx(-0.25))
    assert spread_x == pytest.approx(spread_y) == pytest.approx(0.25 / 3**0.5, rel=0.02)
    assert {round(v, 3) for v in (top, bottom, left, right)} == {-0.719, -0.281, -0.469, -0.031}
    assert (rows[1] == 0).all() and rows[:, 11:].sum() == pytest.approx(64)
    colors = values[0, 5 * 75 : 5 * 80].view(5, 5)
    assert colors[3].tolist() == pytest.approx([1, -0.5, -0.5, -0.5, 0], abs=1e-4)


def test_layout_says_what_is_not_known():
    image, mask = torch.full((1, 3, 32, 32), 0.25), torch.ones(1, 1, 32, 32)
    landmarks = torch.full((1, 68, 2), 0.75)
    landmarks[:, :10] = 1.2
    hidden = mask.clone()
    hidden[..., 20:] = 0
    _, known = layout(image, mask, classes(), 0 * mask, landmarks)
    assert (known[0, : 5 * 80] == 0).all()
    assert known[0, 5 * 80 :].sum() == 2 * 58
    assert (layout(image, hidden, classes(), mask, landmarks)[1][0, 5 * 80 :] == 0).all()


def test_pictures_begin_with_a_linear_map_of_what_they_show():
    torch.manual_seed(0)
    encoder, mask = VisualEncoder(32, 4), torch.ones(64, 1, SIZE, SIZE)
    image = torch.rand(64, 3, 1, 1).expand(-1, -1, SIZE, SIZE)
    labels = torch.ones(64, SIZE, SIZE, dtype=torch.int64)
    numbers = torch.cat([image[:, :, 0, 0] * 4 - 2, torch.zeros(64, 1)], 1)
    encoder.fit([(Given(image, mask, labels, mask), numbers)])
    with torch.no_grad():
        seen = encoder(Given(image, mask, labels, mask))
    assert (seen.mean - numbers).abs().max() < 0.5


def test_weights_come_back_and_bad_files_are_refused(tmp_path):
    network, path = FaceNetwork(), tmp_path / "faces.safetensors"
    save_face_network(network, path)
    again = load_face_network(path)
    for name, value in network.state_dict().items():
        assert torch.allclose(value, again.state_dict()[name], atol=2e-3), name
    with torch.no_grad():
        network.pose.out.bias.fill_(torch.nan)
    save_face_network(network, path)
    with pytest.raises(FaceWeightsError, match="not finite in pose.out.bias"):
        load_face_network(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FaceWeightsError, match="damaged"):
        load_face_network(path)
    with pytest.raises(FaceWeightsError, match="missing"):
        load_face_network(tmp_path / "none.safetensors")


def test_labels_tell_a_face_from_none():
    labels = torch.zeros(SIZE, SIZE, dtype=torch.int64)
    assert not shows_face(labels)
    labels[30:90, 30:90] = 1
    assert not shows_face(labels)
    for index, label in enumerate((2, 4, 5, 12)):
        labels[40 + 5 * index, 60:64] = label
    assert shows_face(labels)


def test_the_users_crop_is_kept():
    photo = Photo(torch.rand(3, 200, 200), torch.ones(1, 200, 200))
    reading = read_face(photo, FaceNetwork().eval(), Frame(100.0, 90.0, 150.0))
    assert reading.frame == Frame(100.0, 90.0, 150.0)
    assert reading.image.shape == (3, SIZE, SIZE) and reading.labels.shape == (SIZE, SIZE)
    assert reading.angles.shape == (3,) and reading.embedding.shape == (128,)
    with pytest.raises(PhotoError, match="outside the photo"):
        read_face(photo, FaceNetwork().eval(), Frame(300.0, 90.0, 150.0))


def test_photos_repeat_with_the_seed_and_move_landmarks_with_the_picture(model):
    views = simple_views(model)
    one, other = (augment(views, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one.image, other.image) and torch.equal(one.label, other.label)
    assert 0 <= one.image.min() and one.image.max() <= 1
    still = augment(views, torch.Generator().manual_seed(4), shift=0.0)
    assert torch.allclose(still.landmarks, views.landmarks, atol=1e-5)
    assert torch.allclose(still.rotation, views.rotation, atol=1e-5)


def test_reframing_agrees_between_picture_landmarks_and_rotation(model):
    views = simple_views(model, 8)
    places = model.v_template[model.landmarks]
    dots = torch.zeros_like(views.label)
    at = (views.landmarks * SIZE).long()
    for row, (column, line) in enumerate(at[:, 30].tolist()):
        dots[row, line - 2 : line + 3, column - 2 : column + 3] = 2
    marked = dataclasses.replace(views, label=dots)
    photos = augment(marked, torch.Generator().manual_seed(9))
    centre = places.mean(0)
    for row in range(len(views)):
        found = (photos.label[row] == 2).nonzero().float()
        if len(found) < 15:
            continue  # hidden by something
        middle = (found.mean(0).flip(0) + 0.5) / SIZE
        assert (middle - photos.landmarks[row, 30]).norm() < 0.015
        flat = (places - centre) @ photos.rotation[row].T
        seen = photos.landmarks[row] - photos.landmarks[row].mean(0)
        cosine = (flat[:, :2] * seen).sum() / (flat[:, :2].norm() * seen.norm())
        assert cosine > 0.99


def test_interrupted_training_goes_on_exactly(model, tmp_path):
    pool = simple_views(model)
    whole, first = (PerceptionTrainer(TINY, pool, "cpu") for _ in range(2))
    expected = [whole.run_step() for _ in range(4)]
    for _ in range(2):
        first.run_step()
    first.save(tmp_path / "checkpoint.pt")
    second = PerceptionTrainer(TINY, pool, "cpu")
    second.load(tmp_path / "checkpoint.pt")
    assert [second.run_step() for _ in range(2)] == expected[2:]
    other = PerceptionTrainer(dataclasses.replace(TINY, heads=3), pool, "cpu")
    with pytest.raises(ValueError, match="use the same options"):
        other.load(tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="the pool has 6 heads"):
        PerceptionTrainer(dataclasses.replace(TINY, held_out=5), pool, "cpu")


def test_a_run_leaves_weights_a_checkpoint_and_figures(model, tmp_path):
    train(TINY, simple_views(model), "cpu", tmp_path)
    network = load_face_network(tmp_path / "faces.safetensors")
    assert (tmp_path / "checkpoint.pt").exists()
    assert '"held_out": "photo"' in (tmp_path / "log.jsonl").read_text()
    figures = check(network, simple_views(model, 3), photo=False)
    assert set(figures) == {"miou", "nme", "degrees", "same_head", "accuracy"}
    assert all(math.isfinite(value) for value in figures.values())


def test_a_few_steps_lower_the_losses(model):
    settings = dataclasses.replace(TINY, steps=30, heads=4)
    trainer = PerceptionTrainer(settings, simple_views(model), "cpu")
    losses = [trainer.run_step() for _ in range(16)]
    for name in ("labels", "landmarks"):
        assert sum(x[name] for x in losses[-4:]) < sum(x[name] for x in losses[:4]), name
