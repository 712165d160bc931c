"""Blender materials: a principled surface with packed image textures."""

from __future__ import annotations

from collections.abc import Mapping

import bpy

from .meshing.rigged_head import Material, RiggedHead
from .pictures import linear_from_srgb
from .png import encode_png

UV_LAYER = "UVMap"
# Skin scatters red farthest; the ratio is that of the principled shader's own default.
SUBSURFACE_RADIUS = (1.0, 0.35, 0.2)
SUBSURFACE_SCALE = 0.004  # metres


def color_image_name(material: Material) -> str:
    """Return the name of the material's colour image."""
    return material.image_name or f"{material.name} Color"


def normal_image_name(material: Material) -> str:
    """Return the name of the material's normal map."""
    return f"{material.name} Normal"


def encode_images(head: RiggedHead) -> dict[str, bytes]:
    """Return the PNG files of all images of `head` by image name; needs no Blender data."""
    files: dict[str, bytes] = {}
    parts = head.parts if head.raw_surface is None else (*head.parts, head.raw_surface)
    for material in (material for part in parts for material in part.materials):
        if material.image is not None and color_image_name(material) not in files:
            files[color_image_name(material)] = encode_png(material.image)
        if material.normal_image is not None and normal_image_name(material) not in files:
            files[normal_image_name(material)] = encode_png(material.normal_image)
    return files


def create_material(
    material: Material, images: Mapping[str, bytes], created: list[bpy.types.ID]
) -> bpy.types.Material:
    """Create a principled material; `images` are PNG files as `encode_images` makes them.

    Every new data-block is appended to `created` at once, so that the caller can undo a failure.
    """
    result = bpy.data.materials.new(material.name)
    created.append(result)
    if result.node_tree is None:  # always present from Blender 5.0 on
        result.use_nodes = True
    result.diffuse_color = (*(linear_from_srgb(value) for value in material.color), 1.0)
    tree = result.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    output.location = (300, 0)
    shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    _set_surface(shader, material)
    if material.image is not None:
        image = _packed_image(color_image_name(material), images, "sRGB", created)
        texture = _texture_node(tree, image, (-400, 100))
        tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
        if material.alpha:
            tree.links.new(texture.outputs["Alpha"], shader.inputs["Alpha"])
            result.surface_render_method = "DITHERED"
    if material.normal_image is not None:
        image = _packed_image(normal_image_name(material), images, "Non-Color", created)
        _link_normal_map(tree, shader, _texture_node(tree, image, (-700, -300)))
    return result


def _set_surface(shader: bpy.types.Node, material: Material) -> None:
    inputs = shader.inputs
    inputs["Base Color"].default_value = (
        *(linear_from_srgb(value) for value in material.color),
        1.0,
    )
    inputs["Roughness"].default_value = material.roughness
    inputs["Specular IOR Level"].default_value = material.specular
    inputs["Coat Weight"].default_value = material.coat
    inputs["Subsurface Weight"].default_value = material.subsurface
    inputs["Subsurface Radius"].default_value = SUBSURFACE_RADIUS
    inputs["Subsurface Scale"].default_value = SUBSURFACE_SCALE


def _texture_node(
    tree: bpy.types.NodeTree, image: bpy.types.Image, location: tuple[float, float]
) -> bpy.types.Node:
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    node.location = location
    return node


def _link_normal_map(
    tree: bpy.types.NodeTree, shader: bpy.types.Node, texture: bpy.types.Node
) -> None:
    node = tree.nodes.new("ShaderNodeNormalMap")
    node.location = (-300, -300)
    node.uv_map = UV_LAYER
    tree.links.new(texture.outputs["Color"], node.inputs["Color"])
    tree.links.new(node.outputs["Normal"], shader.inputs["Normal"])


def _packed_image(
    name: str, images: Mapping[str, bytes], color_space: str, created: list[bpy.types.ID]
) -> bpy.types.Image:
    """Return the image whose PNG file lives inside the .blend; Blender decodes it when drawn."""
    path = f"//{name}.png"  # exporters take the texture's file name from here
    for item in created:
        if isinstance(item, bpy.types.Image) and item.filepath_raw == path:
            return item
    file = images[name]
    image = bpy.data.images.new(name, 8, 8)
    created.append(image)
    image.source = "FILE"
    image.filepath_raw = path
    image.pack(data=file, data_len=len(file))
    image.colorspace_settings.name = color_space
    return image
