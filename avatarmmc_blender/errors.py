"""The one error that a user of the add-on or of the command line is meant to read."""


class AvatarError(Exception):
    """A request that cannot be met: one sentence that says what is wrong and what to do instead."""


class Cancelled(AvatarError):  # noqa: N818  what happened, not a fault
    """The user stopped the job; nothing was written and the scene is as it was."""

    def __init__(self) -> None:
        super().__init__("The job was cancelled; nothing was changed.")
