"""The one exception tree. Every message says what came, what was expected and what to do."""


class SamwiseError(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigError(SamwiseError):
    """A preset, parameter or setting is unknown or out of range."""


class CheckpointError(SamwiseError):
    """A weights file is missing, unreadable, or does not fit the model."""


class ShapeError(SamwiseError):
    """An array or tensor has another shape or dtype than the function takes."""


class ImageError(SamwiseError):
    """A camera image or video cannot be decoded or written, or what it needs beside it has not come."""


class DatasetError(SamwiseError):
    """A data set's folder or file does not have the layout that its reader knows, or a world cannot be made."""


class CommandError(SamwiseError):
    """A text command or a request for a target cannot be followed."""
