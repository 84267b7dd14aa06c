"""Files and folders that appear whole or not at all, and names that are nearly right."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from dnakit.project import DnakitError, check_place, did_you_mean, published, published_folder


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


# ---- links, and what is no file


@pytest.fixture
def others(tmp_path):
    """Names of a pipe, a terminal, an open file as the system lists it (what /dev/stdout is), and links to these."""
    os.mkfifo(tmp_path / "pipe")
    master, terminal = os.openpty()
    (tmp_path / "open").write_text("mine")
    with open(tmp_path / "open") as handle:
        names = [tmp_path / "pipe", Path(os.ttyname(terminal)), Path(f"/proc/self/fd/{handle.fileno()}")]
        for name in tuple(names):
            names.append(tmp_path / f"link-{len(names)}")
            names[-1].symlink_to(name)
        yield names
    assert (tmp_path / "open").read_text() == "mine"
    os.close(master)
    os.close(terminal)


@pytest.mark.parametrize("publish", [published, published_folder])
def test_a_device_a_pipe_and_a_stream_are_no_place_for_a_file(tmp_path, others, publish):
    before = {path: os.lstat(path).st_ino for path in tmp_path.iterdir()}
    for path in others:
        with pytest.raises(DnakitError, match="is a device or a pipe, and no file: give the name"), publish(path):
            raise AssertionError
        with pytest.raises(DnakitError, match=r"give the name of a file or none$"):
            check_place(path, " or none")
    assert {path: os.lstat(path).st_ino for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_file_is_replaced(tmp_path, there):
    (tmp_path / "deep").mkdir()
    real, link, second = tmp_path / "deep" / "real.tsv", tmp_path / "link.tsv", tmp_path / "second.tsv"
    link.symlink_to("deep/real.tsv")
    second.symlink_to(link)
    if there:
        real.write_text("old")
    check_place(second)
    with published(second) as part:
        assert part.parent == real.parent
        part.write_text("new")
    assert [path.read_text() for path in (real, link, second)] == ["new"] * 3
    assert link.is_symlink()
    assert second.is_symlink()
    assert sorted(tmp_path.rglob("*")) == sorted([real.parent, real, link, second])


def test_a_link_to_a_folder_stays_and_the_folder_is_replaced(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    (real / "old").touch()
    link.symlink_to("real")
    with published_folder(link) as part:
        (part / "new").touch()
    assert link.is_symlink()
    assert sorted(tmp_path.rglob("*")) == sorted([real, real / "new", link])


@pytest.mark.parametrize("publish", [published, published_folder])
def test_a_link_to_itself_is_one_line(tmp_path, publish):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(DnakitError, match="a is a link that leads to no file"), publish(tmp_path / "a"):
        raise AssertionError


# ---- before and after the work


def test_a_place_that_refuses_is_known_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    for path, said in (
        (tmp_path / "file" / "x", "cannot be written: Not a directory"),
        (tmp_path, "is a folder: give the name of a file in it"),
        (Path("/sys/kernel/x"), "x: cannot be written: "),  # refuses root too
    ):
        with pytest.raises(DnakitError, match=said):
            check_place(path)
    check_place(tmp_path / "new" / "deep" / "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize("publish", [published, published_folder])
def test_a_failure_leaves_no_folder_that_was_made_for_it(tmp_path, publish):
    with pytest.raises(ZeroDivisionError), publish(tmp_path / "new" / "deep" / "x"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with pytest.raises(ZeroDivisionError), publish(tmp_path / "mine" / "deep" / "x"):
        raise ZeroDivisionError((tmp_path / "mine" / "deep" / "of another process").touch())
    assert [path.name for path in (tmp_path / "mine" / "deep").iterdir()] == ["of another process"]


def test_a_failure_leaves_an_empty_folder_that_was_there(tmp_path):
    with pytest.raises(ZeroDivisionError), published(tmp_path / "x"):
        raise ZeroDivisionError
    assert tmp_path.is_dir()
