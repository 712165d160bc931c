"""Registration of everything that the add-on adds to Blender."""

from __future__ import annotations

import atexit

import bpy

from . import (
    crop_overlay,
    edit_operators,
    generate_task,
    head_operators,
    head_panel,
    jobs,
    label_panel,
    live_preview,
    model_cache,
    model_list,
    model_operators,
    operators,
    paint_operators,
    panel,
    preferences,
    properties,
    task,
)

# Panels draw what the others register, so they come last.
MODULES = (
    preferences,
    properties,
    task,
    generate_task,
    operators,
    head_operators,
    paint_operators,
    edit_operators,
    model_operators,
    model_cache,
    live_preview,
    model_list,
    label_panel,
    panel,
    head_panel,
    crop_overlay,
)


def register() -> None:
    """Register all modules."""
    if not bpy.app.background:
        atexit.unregister(jobs.leave_interpreter)  # of an earlier time
        atexit.register(jobs.leave_interpreter)
    for module in MODULES:
        module.register()


def unregister() -> None:
    """Unregister all modules, the last first, and end the running job."""
    for module in reversed(MODULES):
        module.unregister()
    jobs.end_job()
