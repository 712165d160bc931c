"""How answers and edits tell how far they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# stage and how much of it is done, 0 to 1; what it raises ends the work
Progress = Callable[[str, float], None]
# a picture (S, S, 3) uint8 sRGB of a head as it is now
Show = Callable[[np.ndarray], None]


class Forward:
    """Progress of one stage whose parts may begin anew: what is told never goes back."""

    def __init__(self, tell: Progress, stage: str):
        self._tell, self._stage, self._done = tell, stage, 0.0

    def __call__(self, fraction: float) -> None:
        self._done = max(self._done, fraction)
        self._tell(self._stage, self._done)
