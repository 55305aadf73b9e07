"""What is published, and where the cache folder is."""

from __future__ import annotations

from pathlib import Path

import pytest

from samwise_ros.config import PRESETS
from samwise_ros.errors import ConfigError
from samwise_ros.model.published import CACHE_VARIABLE, DOWNLOADS, cache_dir, samwise_file, tokenizer_file

FILES = {file for download in DOWNLOADS.values() for file in download.files}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home, and no variable that names a cache folder."""
    monkeypatch.setenv("HOME", "/home/robot")
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


def test_every_path_has_one_home_and_every_home_one_path() -> None:
    assert len({file.path for file in FILES}) == len({file.url for file in FILES}) == len(FILES) == 12


def test_bare_names_are_unique_so_that_from_finds_them_in_a_flat_folder() -> None:
    assert len({Path(file.path).name for file in FILES}) == len(FILES)


@pytest.mark.parametrize("file", sorted(FILES, key=lambda file: file.path), ids=lambda file: file.path)
def test_homes_are_https_and_paths_stay_in_the_cache(file) -> None:
    assert file.url.startswith("https://")
    assert not Path(file.path).is_absolute()
    assert ".." not in Path(file.path).parts
    assert file.url.endswith("/" + Path(file.path).name) or file.url.startswith("https://drive.usercontent.google.com/")


def test_each_download_is_of_different_files_and_is_described_in_a_line() -> None:
    for name, download in DOWNLOADS.items():
        assert len(set(download.files)) == len(download.files), name
        assert download.about
        assert "\n" not in download.about


def test_what_the_names_hold() -> None:
    paths = {name: {file.path for file in download.files} for name, download in DOWNLOADS.items()}
    roberta = {f"roberta-base/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")}
    assert paths == {
        "tiny": {"sam2/sam2_hiera_tiny.pt", *roberta},
        "base_plus": {"sam2/sam2_hiera_base_plus.pt", *roberta, "samwise/base_plus_mevis.pth"},
        "large": {"sam2/sam2_hiera_large.pt", *roberta},
        "base_plus_mevis": {"samwise/base_plus_mevis.pth", "roberta-base/tokenizer.json"},
        "base_plus_ytvos": {"samwise/base_plus_ytvos.pth", "roberta-base/tokenizer.json"},
        "base_plus_refcoco": {"samwise/base_plus_refcoco.pth", "roberta-base/tokenizer.json"},
        "roberta": roberta,
        "refsam_b": {"sam1/sam_vit_b_01ec64.pth"},
        "refsam_l": {"sam1/sam_vit_l_0b3195.pth"},
        "refsam_h": {"sam1/sam_vit_h_4b8939.pth"},
    }


def test_the_cache_folder_without_any_choice_is_in_the_home() -> None:
    assert cache_dir() == Path("/home/robot/.cache/samwise_ros")


def test_the_cache_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/data/cache")
    assert cache_dir() == Path("/data/cache/samwise_ros")


def test_the_variable_goes_before_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/data/cache")
    monkeypatch.setenv(CACHE_VARIABLE, "~/weights")
    assert cache_dir() == Path("/home/robot/weights")


def test_the_users_choice_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "/data/weights")
    assert cache_dir(Path("~/mine")) == Path("/home/robot/mine")
    with pytest.raises(
        ConfigError, match="'~nobody-here/x' is of a user that is not there, expected a folder: name it"
    ):
        cache_dir(Path("~nobody-here/x"))


def test_empty_variables_count_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert cache_dir() == Path("/home/robot/.cache/samwise_ros")


def test_the_tokenizer_lies_where_every_runnable_download_puts_it(tmp_path: Path) -> None:
    path = tokenizer_file(tmp_path).relative_to(tmp_path).as_posix()
    for name, download in DOWNLOADS.items():
        paths = {file.path for file in download.files}
        assert path in paths or not any(one.startswith("samwise/") for one in paths), name


def test_default_weights_are_the_converted_copy_if_there_is_one(tmp_path: Path) -> None:
    assert samwise_file("base_plus", tmp_path) is None
    published = tmp_path / "samwise" / "base_plus_mevis.pth"
    published.parent.mkdir()
    published.touch()
    assert samwise_file("base_plus", tmp_path) == published
    converted = published.with_suffix(".safetensors")
    converted.touch()
    assert samwise_file("base_plus", tmp_path) == converted


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"base_plus"}))
def test_other_presets_have_no_published_weights(preset: str, tmp_path: Path) -> None:
    (tmp_path / "samwise").mkdir()
    (tmp_path / "samwise" / f"{preset}_mevis.pth").touch()
    assert samwise_file(preset, tmp_path) is None
