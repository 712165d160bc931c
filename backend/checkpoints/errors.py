"""What a user reads when a file cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CheckpointError(ValueError):
    """One sentence: what the file is, what was expected, where to get it (the project's name)."""


class TruncatedError(CheckpointError):
    """The data ends before what it announces."""


SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """Return a short printable form of something found in a file that nobody trusts.

    Containers are named by type only: their text can be exponentially long.
    """
    if isinstance(value, str):
        text = value[:SHOWN_CHARACTERS]
        return "".join(c if c.isprintable() else "?" for c in text) + (
            "..." if len(value) > SHOWN_CHARACTERS else ""
        )
    if isinstance(value, bool | float) or value is None:
        return str(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() < 128 else f"an integer of {value.bit_length()} bit"
    return f"a {type(value).__name__}"


@contextmanager
def about_file(name: str, wanted: str) -> Iterator[None]:
    """Turn what is raised inside into one sentence about the file `name`, expected as `wanted`."""
    try:
        yield
    except TruncatedError as error:
        raise CheckpointError(
            f"{name} is cut off ({error}), probably a download that did not finish; "
            f"expected {wanted}: get the file again"
        ) from None
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}; expected {wanted}") from None
    except MemoryError:
        raise CheckpointError(
            f"{name} does not fit into this computer's memory; "
            f"close other programs and try again with {wanted}"
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CheckpointError(f"{name} cannot be read ({reason}); expected {wanted}") from None
