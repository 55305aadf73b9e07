"""`samwise evaluate`."""

import pytest

from samwise_ros.cli.main import main
from samwise_ros.evaluation import synthetic
from samwise_ros.model import build


@pytest.mark.parametrize("option", ["--clips", "--frames"])
def test_no_clips_and_no_frames_are_refused(option: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", option, "0"])
    assert "'0' is not a whole number of at least 1" in capsys.readouterr().err


def test_the_table_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(build, "build_segmenter", lambda *_, **__: "model")
    monkeypatch.setattr(synthetic, "evaluate_clips", lambda model, seeds, **_: [{"colour": len(seeds) / 4}])
    assert main(["evaluate", "--clips", "3"]) == 0
    assert "| **all** | 1 | **0.750** |" in capsys.readouterr().out
