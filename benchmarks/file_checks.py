"""What other programs say of exported files: the Khronos validator and ufbx; needs no Blender."""

from __future__ import annotations

import importlib.util
import json
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

VALIDATE = """
const validator = require('gltf-validator'), fs = require('fs');
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(
  report => console.log(report.issues.numErrors), () => process.exit(2));
"""
# A normal exit after walking blend deformers crashes ufbx 0.0.5.
READ_FBX = """
import json, os, sys, ufbx
scene = ufbx.load_file(sys.argv[1])
print(json.dumps({
    "joints": len(scene.bones),
    "keys": max(len(item.channels) for item in scene.blend_deformers),
    "textures": sum(len(texture.content) > 0 for texture in scene.textures),
}))
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class RoundTrip:
    """One file read back; errors are relative to the head's height."""

    suffix: str
    rest_error: float
    key_error: float
    joints: int
    keys: int
    textures: int
    validator: dict[str, int] | None  # what another program says of the file


def validate_glb(path: Path) -> dict[str, int] | None:
    """Return errors, joints, keys and textures of a GLB; None without the Khronos validator."""
    node = shutil.which("node")
    if node is None:
        return None
    answer = subprocess.run(
        [node, "-e", VALIDATE, str(path)], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        return None
    content = path.read_bytes()
    length = struct.unpack("<I", content[12:16])[0]
    document = json.loads(content[20 : 20 + length])
    return {
        "errors": int(answer.stdout),
        "joints": max(len(skin["joints"]) for skin in document["skins"]),
        "keys": max(len(mesh.get("weights", ())) for mesh in document["meshes"]),
        "textures": len(document.get("images", ())),
    }


def read_with_ufbx(path: Path) -> dict[str, int] | None:
    """Return joints, keys and embedded textures of an FBX; None where ufbx is missing."""
    if importlib.util.find_spec("ufbx") is None:
        return None
    answer = subprocess.run(
        [sys.executable, "-c", READ_FBX, str(path)], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)
