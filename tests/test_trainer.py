"""What a training leaves on the terminal when it stops at an error."""

import io
from pathlib import Path

import pytest
import tiny_training
from tqdm import tqdm

from dnakit import trainer, training
from dnakit.project import DnakitError

pytestmark = pytest.mark.slow


def test_the_bar_is_gone_before_an_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(trainer, "tqdm", lambda **options: tqdm(**options, file=terminal, mininterval=0))
    monkeypatch.setattr(trainer, "show_progress", lambda: True)
    values = tiny_training.parameters(8, epochs=1).model_copy(update={"learning_rate": 1e38})
    with pytest.raises(DnakitError, match="diverged") as caught:
        training.train(
            tiny_training.model,
            {"train": tiny_training.Samples(0, 24)},
            values,
            tiny_training.summarise,
            tmp_path,
        )
    assert caught.value.__traceback__  # as in main, what was at work is still held
    assert "3/3" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")
