"""The one error that a user of the add-on or of the command line is meant to read."""

from __future__ import annotations


class AvatarError(Exception):
    """A request that cannot be met: one sentence that says what is wrong and what to do instead."""

    @classmethod
    def from_error(cls, error: Exception) -> AvatarError:
        """Return the message of a library's error as a sentence."""
        text = str(error).strip() or type(error).__name__
        if text.split()[0].isalpha():  # a word, not the name of a file
            text = text[0].upper() + text[1:]
        return cls(text + ("" if text.endswith(".") else "."))

    @classmethod
    def no_head(cls, error: Exception) -> AvatarError:
        """Return what is said where a seed's field has no head, for the reason in `error`."""
        return cls(f"This seed gives no head ({error}); try another seed.")


class Cancelled(AvatarError):  # noqa: N818  what happened, not a fault
    """The user stopped the job; nothing was written and the scene is as it was."""

    def __init__(self) -> None:
        super().__init__("The job was cancelled; nothing was changed.")
