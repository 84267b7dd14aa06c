"""The command line: what it prints, and that every mistake is one line and exit code 2."""

import json
import os
import subprocess
import sys

import pytest
from conftest import TOY

from dnakit import cli
from dnakit.chapters import pool
from dnakit.chapters.chapter import chapter_of
from dnakit.models import device
from dnakit.project import DnakitError

SMOKE = ("--profile", "smoke")
PIPE = "pipe is a device or a pipe, and no file: give the name of a file"


@pytest.fixture
def dnakit(monkeypatch, capsys):
    """Run ``dnakit`` in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dnakit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def test_runs_lists_what_is_in_the_store_and_what_is_not(toy, dnakit):
    chapter = chapter_of(TOY, "smoke", {"epochs": 9})
    chapter.runs["first"].folder()
    code, out, _ = dnakit("runs", TOY, "--profile", "smoke", "-p", "epochs=9")
    assert code == 0
    first, second = (run.key for run in chapter.runs.values())
    assert out.splitlines() == [
        "run     key               state     seconds  what it makes",
        f"first   {first}  in store  0.0      the first model",
        f"second  {second}  to make   -        the second model",
    ]


@pytest.mark.parametrize(("chosen", "made"), [(["first"], ["first"]), ([], ["first", "second"])])
def test_train_prints_the_folders_and_writes_the_keys(toy, dnakit, chosen, made):
    key_file = toy / "jobs" / "toy.keys"
    code, out, _ = dnakit("train", TOY, *chosen, "--profile", "smoke", "--key-file", key_file)
    runs = chapter_of(TOY, "smoke").runs
    assert code == 0
    assert out.splitlines() == [str(runs[name].folder()) for name in made]
    assert key_file.read_text().splitlines() == [f"{name} {runs[name].key}" for name in made]


@pytest.mark.parametrize(
    "arguments",
    ["execute 98_toy --output", "export 98_toy first", "classify reads.fq --output", "classify r.fq --report"],
)
def test_what_a_command_makes_lies_in_a_folder_that_is_there(toy, dnakit, arguments):
    where = toy / "resluts" / "new"
    code, out, error = dnakit(*arguments.split(), where, *(() if arguments.startswith("classify") else SMOKE))
    assert (code, out) == (2, "")
    assert error == f"dnakit: {where}: there is no folder {where.parent}: make it, or correct the name\n"
    assert not where.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("execute", TOY, *SMOKE, "--output="), "the name of a file or folder is empty: give a name"),
        (("train", TOY, *SMOKE, "--key-file="), "the name of a file or folder is empty: give a name"),
        (("classify", "reads.fq", "--report="), "the name of a file or folder is empty: give a name"),
        (("import", ""), "the name of a file or folder is empty: give a name"),
        (("execute", TOY, *SMOKE, "--output", "own.fa"), "own.fa is a file: give the name of a folder"),
        (("train", TOY, *SMOKE, "--key-file", "."), ". is a folder: give the name of a file in it"),
        (("train", TOY, *SMOKE, "--key-file", "own.fa/x"), "own.fa/x: cannot be written: Not a directory"),
        (("classify", "reads.fq", "--output", "pipe"), PIPE + " or leave --output out"),
        (("classify", "reads.fq", "--report", "pipe.html"), PIPE.replace("pipe ", "pipe.html ", 1)),
        (("train", TOY, *SMOKE, "--key-file", "pipe"), PIPE),
    ],
)
def test_a_place_that_is_none_is_refused_before_the_work(toy, dnakit, arguments, message):
    (toy / "own.fa").touch()
    os.mkfifo(toy / "pipe")
    (toy / "pipe.html").symlink_to("pipe")
    before = sorted(toy.rglob("*"))
    assert dnakit(*arguments) == (2, "", f"dnakit: {message}\n")
    assert [path for path in sorted(toy.rglob("*")) if "__pycache__" not in path.parts] == before


def test_a_notebook_that_is_refused_leaves_no_folder(toy, dnakit):
    with (toy / "notebooks" / f"{TOY}.py").open("a") as handle:
        handle.write("\n# %%\nfrom dnakit.project import DnakitError\n\nraise DnakitError('give another label')\n")
    message = f"dnakit: {TOY}: give another label\n"
    assert dnakit("execute", TOY, *SMOKE, "--output", "new") == (2, "", message)
    assert not (toy / "new").exists()


def test_execute_passes_a_value_to_the_notebook(toy, dnakit):
    code, out, errors = dnakit("execute", "--profile", "smoke", "-p", "label=b #2", "--output", toy / "pages")
    assert (code, errors) == (0, "")
    assert out.splitlines() == [f"pages/{TOY}.ipynb"]
    assert 'label = \\"b #2\\"' in (toy / "pages" / f"{TOY}.ipynb").read_text()


DIGITS = "; write it in decimal digits alone, such as 12"
OTHER_NAME = "there is no notebook '99_toy'; did you mean '98_toy'?; known: 98_toy"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("execute 98_toy -p epohcs=3", "'epohcs' is not a parameter of 98_toy; did you mean 'epochs'?"),
        ("execute -p epochs=ten", "'epochs' of 98_toy must be a whole number (int), not 'ten' (str)"),
        ("execute -p epochs=010", "'epochs' of 98_toy must be a whole number (int), not '010' (str)" + DIGITS),
        ("execute -p epochs=1:30", "'epochs' of 98_toy must be a whole number (int), not '1:30' (str)" + DIGITS),
        ("execute -p epochs=0", "98_toy: 'epochs': has to be 1 or more, and is 0"),
        ("execute -p epochs", "-p takes KEY=VALUE, not 'epochs'"),
        ("execute -p epochs=[1", "-p epochs=[1: '[1' is not YAML; quote it"),
        (
            "execute -p organisms=[a#b",
            "-p organisms=[a#b: YAML reads # as the start of a comment; put quotes around the value",
        ),
        ("execute 99_toy", OTHER_NAME),
        ("runs 99_toy", OTHER_NAME),
        (
            "train 98_toy frist",
            "98_toy has no run 'frist'; did you mean 'first'?; dnakit runs 98_toy --profile smoke lists them",
        ),
        (
            "train 98_toy second -p label=full",
            "cannot write to data/runs: No space left on device; make room or make it writable, "
            "or set DNAKIT_DATA to another folder",
        ),
        ("record 98_toy second", "second is not made: dnakit train 98_toy second --profile smoke"),
        ("record 98_toy", "first is not made: dnakit train 98_toy first --profile smoke"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(toy, dnakit, arguments, message):
    before = written(toy)
    assert dnakit(*arguments.split(), *SMOKE) == (2, "", f"dnakit: {message}\n")
    assert written(toy) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("trian", "No such command 'trian'"),
        ("train", "Missing argument 'notebook'"),
        ("runs 98_toy --profil smoke", "No such option: --profil"),
        ("train 98_toy --profile smoke --jobs two", "'--jobs': it has to be a whole number from 1 on, and is 'two'"),
        ("train 98_toy --profile smoke --jobs 0", "'--jobs': it has to be a whole number from 1 on, and is '0'"),
        ("classify x --min-confidence abc", "'--min-confidence': it has to be a number, such as 0.8, and is 'abc'"),
    ],
)
def test_a_mistake_in_the_command_itself_is_one_line_that_names_its_help(dnakit, arguments, message):
    code, out, error = dnakit(*arguments.split())
    assert (code, out) == (2, "")
    assert error.startswith("dnakit: ")
    assert message in error
    assert error.count("\n") == 1
    assert "--help says more" in error


def written(project):
    """The files of a project, apart from locks and what Python compiled."""
    return sorted(path for path in project.rglob("[!.]*.*") if "__pycache__" not in path.parts)


def test_what_was_simulated_is_not_recorded(toy, dnakit):
    dnakit("train", TOY, *SMOKE)
    code, _, errors = dnakit("record", TOY, *SMOKE)
    assert (code, errors) == (2, "dnakit: first ran on simulated data; only runs on real data are recorded\n")


# ---- a damaged store, and recorded results

LAPTOP = ("--profile", "laptop")
RECORDED = f"data/recorded/{TOY}/laptop/first"


def of_real_data(dnakit, **values):
    """The toy chapter's first run in the store, whose record says that its data were real; and the command's values."""
    given = [part for name, value in values.items() for part in ("-p", f"{name}={value}")]
    assert dnakit("train", TOY, "first", *LAPTOP, *given)[0] == 0
    run = chapter_of(TOY, "laptop", values).runs["first"]
    record = json.loads((run.folder() / "run.json").read_text())
    (run.folder() / "run.json").write_text(json.dumps(record | {"simulated": False}))
    return run, given


@pytest.mark.parametrize("command", ["train", "record"])
@pytest.mark.parametrize(
    ("file", "text"),
    [("run.json", '{"key": "0'), ("metrics.json", ""), ("history.csv", ""), ("history.csv", "epoch,lo")],
)
def test_a_damaged_run_is_one_line_and_is_not_recorded(toy, dnakit, command, file, text):
    run, _ = of_real_data(dnakit)
    folder = run.folder()
    (folder / file).write_text(text)
    code, out, error = dnakit(command, TOY, "first", *LAPTOP)
    assert (code, out) == (2, "")
    assert error.startswith(f"dnakit: {folder} is damaged ({file}: ")
    assert error.endswith("): delete this folder, and run the same again\n")
    assert error.count("\n") == 1
    assert not (toy / RECORDED).exists()


def test_runs_tells_of_a_damaged_record_and_of_a_run_without_one(toy, dnakit):
    run, _ = of_real_data(dnakit)
    folder = run.folder()
    (folder / "run.json").write_text("{")
    code, out, error = dnakit("runs", TOY, *LAPTOP)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"dnakit: {folder} is damaged (run.json: ")
    (folder / "run.json").unlink()
    assert "to make" in dnakit("runs", TOY, *LAPTOP)[1].splitlines()[1]
    assert dnakit("train", TOY, "first", *LAPTOP)[::2] == (
        2,
        f"dnakit: {folder} is damaged (run.json: No such file or directory): delete this folder, and run the same "
        "again\n",
    )


def test_a_recorded_run_is_replaced_by_one_of_the_same_values_alone(toy, dnakit):
    run, _ = of_real_data(dnakit)
    for _ in range(2):
        assert dnakit("record", TOY, "first", *LAPTOP) == (0, f"{RECORDED}\n", "")
    other, given = of_real_data(dnakit, epochs=9)
    assert dnakit("record", TOY, "first", *LAPTOP, *given) == (
        2,
        "",
        f"dnakit: {RECORDED} holds the run {run.key}, and -p epochs makes this one {other.key}: to replace it, write "
        f"the values into params/laptop/{TOY}.yaml and record without -p\n",
    )
    assert json.loads((toy / RECORDED / "run.json").read_text())["key"] == run.key
    (toy / "params" / "laptop" / f"{TOY}.yaml").write_text("profile: laptop\nepochs: 9\n")
    assert dnakit("record", TOY, "first", *LAPTOP)[0] == 0
    assert json.loads((toy / RECORDED / "run.json").read_text())["key"] == other.key


def test_a_recorded_run_is_replaced_by_one_of_another_precision(toy, dnakit):
    for path, old, new in (
        (toy / "dnakit" / "chapters" / "toy" / "runs.py", "    label: str\n", "    label: str\n    precision: str\n"),
        (
            toy / "dnakit" / "chapters" / "toy" / "runs.py",
            '"name": self.name}',
            '"name": self.name + self.parameters.precision}',
        ),
        (toy / "notebooks" / f"{TOY}.py", 'label = "a"\n', 'label = "a"\nprecision = "auto"\n'),
    ):
        path.write_text(path.read_text().replace(old, new, 1))
    found = []
    for values in ({}, {"precision": "bf16"}):
        run, given = of_real_data(dnakit, **values)
        assert dnakit("record", TOY, "first", *LAPTOP, *given) == (0, f"{RECORDED}\n", "")
        assert json.loads((toy / RECORDED / "run.json").read_text())["key"] == run.key
        found.append(run.key)
    assert len(set(found)) == 2


def test_an_unknown_profile_is_refused(toy, dnakit):
    known = "known: smoke, laptop, thesis"
    refused = f"dnakit: there is no profile 'smoek'; did you mean 'smoke'?; {known}\n"
    assert dnakit("execute", "--profile", "smoek") == (2, "", refused)


def test_a_message_of_several_lines_becomes_one(dnakit, monkeypatch):
    monkeypatch.setattr(cli, "app", lambda **options: (_ for _ in ()).throw(DnakitError("first\n  second")))
    assert dnakit() == (2, "", "dnakit: first second\n")


@pytest.mark.parametrize(
    "arguments", [["exceute"], ["execute"], ["train", "98_toy", "first"], ["runs", "98_toy", "--profil", "x"]]
)
def test_wrong_usage_is_one_line_and_exit_code_2(toy, dnakit, arguments):
    code, out, errors = dnakit(*arguments)
    assert (code, out) == (2, "")
    assert errors.startswith("dnakit: ")
    assert errors.endswith(" --help says more)\n")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("redirection", "arguments", "code", "message"),
    [
        (">&-", "fetch here.fa", 2, "dnakit: standard output is closed, so that nothing can be printed: open it"),
        (">/dev/full", "fetch here.fa", 2, "dnakit: No space left on device\n"),
        ("2>&-", "fetch absent.fa", 2, ""),
        ("2>/dev/full", "fetch absent.fa", 2, ""),
        ("2>/dev/full", "fetch", 2, ""),
        ("2>/dev/full", "", 2, ""),
        (">&- 2>&- <&-", "fetch here.fa", 2, ""),
        ("<&-", "fetch here.fa", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full_change_no_exit_code(tmp_path, redirection, arguments, code, message):
    (tmp_path / "here.fa").write_text(">a\nACGT\n")
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "dnakit", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == (message != "")
    assert (tmp_path / "here.fa").read_text() == ">a\nACGT\n"


def test_help_waits_for_no_large_library_and_names_the_commands():
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from dnakit.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
    )
    assert not {"torch", "transformers", "papermill", "pandas"} & {
        line.split("|")[-1].strip() for line in shown.stderr.splitlines()
    }
    for command in ("fetch", "runs", "train", "execute", "pair", "record"):
        assert command in shown.stdout


@pytest.mark.parametrize("asked", [1, 10**9])
def test_no_number_of_jobs_makes_more_processes_than_cores(asked, toy, dnakit, monkeypatch):
    """Hundreds of processes fill the memory of a machine."""
    monkeypatch.setattr(cli.os, "cpu_count", lambda: 3)
    used = []
    monkeypatch.setattr(pool, "make_all", lambda chapter, names, jobs: used.append(jobs) or [])
    assert dnakit("train", "98_toy", "--profile", "smoke", "--jobs", str(asked))[0] == 0
    assert used == [min(asked, 3)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("notebook", "value"),
    [
        ("01_tokenization", "source=few.fa"),
        ("01_tokenization", "source=none.fa"),
        ("01_tokenization", "longest_genome=10"),
        ("02_pretraining", "source=few.fa"),
        ("02_pretraining", "held_out_genomes=500"),
        ("04_metagenomics", "reference=none.fa"),
        ("04_metagenomics", "accessions=few.fa"),
    ],
)
def test_runs_refuses_what_train_refuses(dnakit, tmp_path, monkeypatch, notebook, value):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.fa").write_text(">a\nACGT\n")
    (tmp_path / "none.fa").write_text("ACGT\n")
    listed, trained = (dnakit(command, notebook, *SMOKE, "-p", value) for command in ("runs", "train"))
    assert listed == trained
    assert listed[:2] == (2, "")
    assert listed[2].count("\n") == 1


def test_runs_refuses_what_this_machine_cannot_train(dnakit, tmp_path, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    monkeypatch.setattr(device, "has_bf16", lambda: False)
    code, out, error = dnakit("runs", "04_metagenomics", *SMOKE, "-p", "precision=bf16")
    assert (code, out) == (2, "")
    assert "give fp32 or auto" in error
