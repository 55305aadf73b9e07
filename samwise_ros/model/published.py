"""What others have published for these models, and where it lies on this machine.

`cli.download` fetches it with `model.download`; `model.build` looks in the cache folder for weights and tokenizer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from samwise_ros.errors import ConfigError

CACHE_VARIABLE = "SAMWISE_CACHE_DIR"
"""The environment variable that names the cache folder."""

_SAM1 = "https://dl.fbaipublicfiles.com/segment_anything"
_SAM2 = "https://dl.fbaipublicfiles.com/segment_anything_2/072824"
_ROBERTA = "https://huggingface.co/FacebookAI/roberta-base/resolve/main"
_DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"

_URLS = {
    "sam1/sam_vit_b_01ec64.pth": f"{_SAM1}/sam_vit_b_01ec64.pth",
    "sam1/sam_vit_l_0b3195.pth": f"{_SAM1}/sam_vit_l_0b3195.pth",
    "sam1/sam_vit_h_4b8939.pth": f"{_SAM1}/sam_vit_h_4b8939.pth",
    "sam2/sam2_hiera_tiny.pt": f"{_SAM2}/sam2_hiera_tiny.pt",
    "sam2/sam2_hiera_base_plus.pt": f"{_SAM2}/sam2_hiera_base_plus.pt",
    "sam2/sam2_hiera_large.pt": f"{_SAM2}/sam2_hiera_large.pt",
    "roberta-base/config.json": f"{_ROBERTA}/config.json",
    "roberta-base/model.safetensors": f"{_ROBERTA}/model.safetensors",
    "roberta-base/tokenizer.json": f"{_ROBERTA}/tokenizer.json",
    "samwise/base_plus_mevis.pth": _DRIVE.format("1Molt2up2bP41ekeczXWQU-LWTskKJOV2"),
    "samwise/base_plus_ytvos.pth": _DRIVE.format("17Ei9XU678tCiiV14c-9EB9ZqXVrj4qEw"),
    "samwise/base_plus_refcoco.pth": _DRIVE.format("1gRGzARDjIisZ3PnCW77Y9TMM_SbV8aaa"),
}
_ROBERTA_PATHS = tuple(path for path in _URLS if path.startswith("roberta-base/"))
_TOKENIZER_PATH = "roberta-base/tokenizer.json"
_DEFAULT_WEIGHTS = {"base_plus": "samwise/base_plus_mevis.pth"}


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file at its public home.

    Attributes:
        path: where it lies, relative to the cache folder; with "/".
        url: its home.
    """

    path: str
    url: str


@dataclass(frozen=True, slots=True)
class Download:
    """What one name of `samwise download` fetches.

    Attributes:
        about: what it is good for, in one line.
        files: its files; two downloads may share some.
    """

    about: str
    files: tuple[PublishedFile, ...]


def _download(about: str, *paths: str) -> Download:
    return Download(about, tuple(PublishedFile(path, _URLS[path]) for path in paths))


DOWNLOADS: dict[str, Download] = {
    "tiny": _download(
        "SAM 2 tiny and RoBERTa, to train from: no SAMWISE weights of this size are published",
        "sam2/sam2_hiera_tiny.pt",
        *_ROBERTA_PATHS,
    ),
    "base_plus": _download(
        "SAM 2 base_plus, RoBERTa and SAMWISE trained on MeViS: to run and to train from",
        "sam2/sam2_hiera_base_plus.pt",
        *_ROBERTA_PATHS,
        "samwise/base_plus_mevis.pth",
    ),
    "large": _download(
        "SAM 2 large and RoBERTa, to train from: no SAMWISE weights of this size are published",
        "sam2/sam2_hiera_large.pt",
        *_ROBERTA_PATHS,
    ),
    "base_plus_mevis": _download(
        "SAMWISE base_plus trained on MeViS, to run", "samwise/base_plus_mevis.pth", _TOKENIZER_PATH
    ),
    "base_plus_ytvos": _download(
        "SAMWISE base_plus trained on Ref-YouTube-VOS, to run", "samwise/base_plus_ytvos.pth", _TOKENIZER_PATH
    ),
    "base_plus_refcoco": _download(
        "SAMWISE base_plus trained on RefCOCO, to run on single images",
        "samwise/base_plus_refcoco.pth",
        _TOKENIZER_PATH,
    ),
    "roberta": _download("RoBERTa-base and its tokenizer", *_ROBERTA_PATHS),
    "refsam_b": _download("SAM 1 ViT-B, to train RefSAM from with a T5 or RoBERTa", "sam1/sam_vit_b_01ec64.pth"),
    "refsam_l": _download("SAM 1 ViT-L, likewise", "sam1/sam_vit_l_0b3195.pth"),
    "refsam_h": _download("SAM 1 ViT-H, likewise", "sam1/sam_vit_h_4b8939.pth"),
}
"""Everything that `samwise download` knows, by name."""


def cache_dir(folder: Path | None = None) -> Path:
    """The folder that published files are kept in; it need not exist.

    Args:
        folder: the user's choice; None for the environment's: `SAMWISE_CACHE_DIR`, or else `samwise_ros` in
            `XDG_CACHE_HOME` or in `~/.cache`. An empty variable counts as none.

    Returns:
        The folder, with "~" resolved.

    Raises:
        ConfigError: "~" has no home.
    """
    if folder is None:
        named = os.environ.get(CACHE_VARIABLE)
        folder = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "samwise_ros"
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"cache folder '{folder}' is of a user that is not there, expected a folder: name it"
        ) from error


def tokenizer_file(cache: Path) -> Path:
    """Where the tokenizer of the published sizes lies in the cache folder, whether or not it is there."""
    return cache / _TOKENIZER_PATH


def samwise_file(preset: str, cache: Path) -> Path | None:
    """Find the SAMWISE weights that a preset runs with unless the user names others.

    Args:
        preset: the preset's name.
        cache: the cache folder.

    Returns:
        A converted copy (.safetensors) if there is one, else the published file (.pth); None if neither is there or
        nothing is published for the preset.
    """
    if preset not in _DEFAULT_WEIGHTS:
        return None
    published = cache / _DEFAULT_WEIGHTS[preset]
    return next((path for path in (published.with_suffix(".safetensors"), published) if path.is_file()), None)
