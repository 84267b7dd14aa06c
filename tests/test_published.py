"""Files and folders that appear whole or not at all, and names that are nearly right."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from dnakit.project import DnakitError, did_you_mean, published, published_folder


def test_a_file_appears_whole_under_its_name_and_alone(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with published(path) as part:
        part.write_text("half")
        assert not path.exists()
        assert part.suffix == path.suffix
        part.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_block_leaves_what_was_there_before(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(TypeError), published(path) as part:
        part.write_text(b"neither this nor a half of it")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_the_old_one_or_leaves_it(tmp_path):
    path = tmp_path / "world"
    with published_folder(path) as part:
        (part / "old").touch()
    with pytest.raises(TypeError), published_folder(path) as part:
        (part / "new").write_text(b"not text")
    assert [child.name for child in path.iterdir()] == ["old"]
    with published_folder(path) as part:
        (part / "new").touch()
    assert [child.name for child in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("publish", [published, published_folder])
def test_a_disk_that_refuses_is_one_line_that_names_the_path(tmp_path, publish):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "below"
    with pytest.raises(DnakitError, match=r"^[^\n]*cannot be written[^\n]*$") as caught, publish(path):
        pass
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("publish", [published, published_folder])
@pytest.mark.parametrize("absent", ["elsewhere", "inside"])
def test_an_error_about_a_file_that_is_read_is_not_told_of_the_one_that_is_written(tmp_path, publish, absent):
    path = tmp_path / "out"
    with pytest.raises(FileNotFoundError) as raised, publish(path) as part:
        ((tmp_path if absent == "elsewhere" else part) / "absent.csv").read_text()
    assert Path(raised.value.filename).name == "absent.csv"
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_no_file_and_no_disk_goes_on(tmp_path):
    with pytest.raises(ConnectionRefusedError), published(tmp_path / "out"):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def test_a_copy_that_fills_the_disk_is_told_of_its_target(tmp_path):
    with pytest.raises(DnakitError, match="out: cannot be written: No space left"), published(tmp_path / "out") as part:
        raise OSError(errno.ENOSPC, "No space left on device", "source.csv", None, str(part))  # as shutil.copyfile does


def test_a_tree_that_cannot_be_copied_is_told_of_its_target(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "file").touch()
    with (
        pytest.raises(DnakitError, match=r"out: cannot be written: .*No space left"),
        published_folder(tmp_path / "out") as part,
    ):
        shutil.copytree(tmp_path / "from", part / "copy", copy_function=full)


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(DnakitError, match="out: cannot be written: Is a directory"),
        published(tmp_path / "out") as part,
    ):
        part.touch()


def test_a_near_name_is_proposed_and_a_far_one_is_not():
    assert did_you_mean("epohcs", ["epochs", "seed"]) == "; did you mean 'epochs'?"
    assert did_you_mean("colour", ["epochs", "seed"]) == ""
    assert did_you_mean("x", []) == ""


def test_a_device_or_a_pipe_is_no_place_for_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null")):
        with pytest.raises(DnakitError, match="is a device or a pipe"), published(path):
            raise AssertionError
    assert not pipe.is_file()
    assert os.listdir(tmp_path) == ["pipe"]
