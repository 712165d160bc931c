"""Writes backend/head_model/bundled.npz."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import torch

from .assemble import assemble
from .store import write_bundle

logging.basicConfig(level=logging.INFO, format="%(message)s")
torch.set_num_threads(1)
target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "bundled.npz"
size = write_bundle(target, assemble())
logging.info("wrote %s, %.2f MB", target, size / 1e6)
