"""Inputs and surroundings that once gave a wrong result or a crash: the right value of each."""

import ast
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import fuzz
import fuzz_texts
import nbformat
import numpy as np
import pytest
from conftest import HEADER
from hypothesis import given, settings
from hypothesis import strategies as st

from dnakit.chapters.chapter import chapter_of, open_chapter
from dnakit.chapters.tokenization import counts
from dnakit.chapters.tss.organisms import organism
from dnakit.data import download, sources, taxonomy
from dnakit.data.formats import annotation, read_bed, read_fasta, read_genbank
from dnakit.data.reads import read_reads
from dnakit.notebooks import parameters
from dnakit.notebooks.execute import execute
from dnakit.project import DnakitError, absolute, checked, users_path
from dnakit.report.finished import Finished
from dnakit.store import read_json, write_json
from dnakit.tokens.corpus import prepare
from dnakit.tokens.parameters import CorpusParameters
from dnakit.tokens.samples import MlmSamples, SentenceOrderSamples

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
TOY = "98_toy"
CELLS = """\
# %% tags=["parameters"]
source = "x"
organisms = ["x"]

# %%
from dnakit.data.sources import fetch
print([open(fetch(name.split("@")[0])).read() for name in [source, *organisms]])
"""
ODD_NAMES = [
    "set #2.fa",
    "0123",
    "data\\uniq.fa",
    "caf\udce9.fa",
    "new\nline.fa",
    "-p.fa",
    "{a} $b 'c\".fa",
    "true",
    "日本",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with one notebook that reads files, the user working in a folder elsewhere."""
    (tmp_path / "project" / "notebooks").mkdir(parents=True)
    (tmp_path / "project" / "data").mkdir()
    shutil.copy(ROOT / "data" / "sources.yaml", tmp_path / "project" / "data")
    (tmp_path / "project" / "notebooks" / f"{TOY}.py").write_text(HEADER + CELLS)
    (tmp_path / "private").mkdir()
    monkeypatch.setenv("DNAKIT_ROOT", str(tmp_path / "project"))
    monkeypatch.chdir(tmp_path / "private")
    return tmp_path / "private"


def executed(folder, *assignments):
    values = parameters.assigned(assignments, [TOY])
    page = nbformat.read(execute(TOY, values, folder / "page.ipynb"), as_version=4)
    return page.cells[0].source, page.cells[-1].outputs[0]["text"]


# ---- values and names of files


def test_files_count_from_where_the_user_stands_in_lists_and_before_an_at_and_a_page_names_no_folder(folder):
    (folder / "mine.fa").write_text("mine")
    (folder / "other.fa").write_text("other")
    cell, read = executed(folder, "source=mine.fa", f"organisms=[other.fa@200, {folder}/mine.fa@7]")
    assert read == "['mine', 'other', 'mine']\n"
    assert cell == 'source = "mine.fa"\norganisms = ["other.fa@200", "mine.fa@7"]'


@pytest.mark.parametrize(
    ("notebook", "assignment"),
    [("01_tokenization", "source=nofile.fa"), ("03_tss", "organisms=[simulated-a, nofile.fa@200]")],
)
def test_a_file_that_is_not_there_is_refused_before_a_kernel_starts(tmp_path, monkeypatch, notebook, assignment):
    from dnakit import cli
    from dnakit.notebooks import execute

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    monkeypatch.setattr(execute, "execute", lambda *_: pytest.fail("a kernel started"))
    with pytest.raises(DnakitError, match=r"nofile\.fa"):
        cli.execute("smoke", [notebook], [assignment], tmp_path)


def test_a_value_stays_what_was_typed_whatever_files_lie_beside(folder):
    for name in ("chr1", "set", "random"):
        (folder / name).touch()
    assert parameters.assigned(["organisms=[chr1]", "source=set #2"], [TOY]) == {
        "organisms": ["chr1"],
        "source": "set #2",
    }


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_may_have_any_name(folder, name):
    (folder / name).write_text(">a\nACGT\n")
    given = parameters.assigned([f"source={name}"], [TOY])
    assert given == {"source": name}
    assert [record.name for record in read_fasta(sources.fetch(given["source"]))] == ["a"]
    write_json(folder / "run.json", sources.about([name]))
    assert read_json(folder / "run.json")["source"].encode()  # text that any page can hold


def test_a_name_that_is_given_two_values_is_refused():
    with pytest.raises(DnakitError, match="-p gives 'seed' twice"):
        parameters.assigned(["seed=1", "seed=2"], ["01_tokenization"])


def test_a_file_called_like_a_source_is_told_apart(folder):
    (folder / "hg38").write_text(">a\nACGT\n")
    with pytest.raises(DnakitError, match=r"write \./hg38 for the file"):
        sources.fetch("hg38")
    assert sources.fetch("./hg38") == folder / "hg38"


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "a: 1\na: 2",
        "[" * 5000,
        "a: !!int 010",
        "a: !!int ",
        "a: !!python/name:os.system",
        f"a: {'9' * 5000}",
    ],
)
def test_what_is_not_plain_yaml_is_refused(text):
    with pytest.raises(DnakitError, match="not YAML"):
        parameters.read_yaml(text)


@pytest.mark.parametrize(("value", "message"), [("&a 1", "names of values"), ("!!int 3", "tags"), ("*a", "names of")])
def test_a_value_of_the_command_line_is_plain(value, message):
    with pytest.raises(DnakitError, match=re.escape(f"-p seed={value}: {message}")):
        parameters.assigned([f"seed={value}"], ["01_tokenization"])


def test_a_result_is_called_as_its_data_were_asked_for(folder):
    (folder / "first.fa").write_text(">a\nACGT\n")
    shutil.copy(folder / "first.fa", folder / "second.fa")
    made = sources.about(["first.fa"]) | {"corpus": {"sources": ["first.fa"]}, "name": "x", "key": "k"}
    write_json(folder / "run" / "run.json", made)
    asked = sources.names_by_digest(["second.fa", ["second.fa@200"], 3])
    run = Finished("this run", "smoke", {"x": folder / "run"}, asked)["x"]
    assert run.record["corpus"]["sources"] == ["second.fa"]
    assert run.record["source"] == "sequences of second.fa"


def test_text_where_a_list_belongs_is_one_line_that_names_papermills_way():
    with pytest.raises(DnakitError, match=r"'tokenizations': .* not '\[9-mer\]' \(papermill takes") as raised:
        open_chapter("01_tokenization", parameters.declared("01_tokenization") | {"tokenizations": "[9-mer]"})
    assert len(raised.value._render_traceback_()) == 1


def test_no_file_is_found_under_a_name_that_cannot_be_one(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    names = ("", "\0", "x" * 5000, "~nobody-of-this-name/x", str(tmp_path / "loop"))
    assert [users_path(name) for name in names] == [None] * 5


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "a\0b"])
def test_what_cannot_be_a_path_is_refused_wherever_one_is_named(tmp_path, monkeypatch, name):
    with pytest.raises(DnakitError, match="no such path"):
        absolute(name)
    if "\0" not in name:
        monkeypatch.setenv("DNAKIT_MIRROR", name)
        with pytest.raises(DnakitError, match="no such path"):
            sources.fetch("hg38")


def test_a_home_folder_is_found_where_the_shell_leaves_its_sign(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from dnakit import cli

    monkeypatch.setenv("HOME", str(tmp_path))
    given = []
    monkeypatch.setattr("dnakit.export.import_run", given.append)
    CliRunner().invoke(cli.app, ["import", "~/mine"])
    assert given == [tmp_path / "mine"]


@pytest.mark.parametrize(
    ("start", "complaint"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook: save it as tab-separated text"),
        (b"PK\x03\x04", "is a zip archive: unpack it and give the file inside"),
        (b"\x28\xb5\x2f\xfd", "is compressed by zstd"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive"),
        (b"BAM\x01", "samtools fastq"),
        (b"CRAM\x03", "samtools fastq"),
        (b"\x43\x27\x41\x1a", "twoBitToFa"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_other_kinds_of_files_are_called_by_their_name(tmp_path, start, complaint, compress):
    path = tmp_path / "reads.fastq"
    path.write_bytes(compress(start + b"\0rest" * 20))
    for read in (read_fasta, read_reads, read_bed):
        with pytest.raises(DnakitError, match=complaint):
            list(read(path))


def test_a_table_of_lineages_in_quotes_says_so(tmp_path):
    (tmp_path / "t.tsv").write_text('"accession"\t"lineage"\n"a"\t"A>B"\n')
    with pytest.raises(DnakitError, match="with tabs between them and without quotes"):
        taxonomy.lineages(tmp_path / "t.tsv")


# ---- checkouts


def test_an_environment_of_another_path_is_set_up_anew(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()

    def steps():
        command = ["make", "--dry-run", "lint"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    (tmp_path / ".venv" / ".ready").write_text("/another/place\n")
    assert "rm -rf .venv\n" in steps()
    (tmp_path / ".venv" / ".ready").write_text(f"{tmp_path.resolve()}\n")
    assert "pip install" not in steps()
    (tmp_path / ".venv" / ".ready").unlink()
    assert "pip install" in steps()
    assert "rm -rf" not in steps()  # an environment of the user's is not ours to remove


def test_the_command_of_a_copied_environment_says_what_to_do(tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    script = tmp_path / ".venv" / "bin" / "dnakit"
    script.write_text("from dnakit.cli import main\nmain()\n")
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("make sets up an environment of this checkout's own\n")


# ---- archives, and files that unpack to too much


def test_an_archive_is_never_unpacked_and_its_links_are_not_followed(tmp_path):
    (tmp_path / "secret.fa").write_text(">secret\nACGT\n")
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "a.tar", "w") as archive:
        for name in ("../out.fa", str(tmp_path / "absolute.fa")):
            info = tarfile.TarInfo(name)
            content = f">{Path(name).stem}\nACGT\n".encode()
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo("link.fa")
            link.type, link.linkname = kind, str(tmp_path / "secret.fa")
            archive.addfile(link)
    assert [record.name for record in read_fasta(tmp_path / "in" / "a.tar")] == ["out", "absolute"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "in", "secret.fa"]


def test_a_file_that_unpacks_to_too_much_is_refused_by_size(tmp_path):
    kind, bomb = next(fuzz.bombs())
    assert fuzz.attempt(kind, bomb, tmp_path / "bomb") == "refused"


# ---- formats


def test_lineages_of_other_genomes_say_what_to_set():
    with pytest.raises(DnakitError, match="name none of them; set 'taxonomy'"):
        taxonomy.hold_out(["a", "b"], {"c": ("Felidae",)}, "family", 1, np.random.default_rng(1))


@pytest.mark.parametrize("table", ["r0\tA\tB\n", "r0\n", "r0\tA\nr0\tB\n"])
def test_uneven_and_ambiguous_tables_of_lineages_are_refused(tmp_path, table):
    (tmp_path / "t.tsv").write_text("accession\tlineage\n" + table)
    with pytest.raises(DnakitError, match=r"row \d"):
        taxonomy.lineages(tmp_path / "t.tsv")


@pytest.mark.parametrize("row", ["chr1\t1_0\t20", "chr1\t1\t2\u00b2", "chr1\t1\t20\tp\tnan\t+", "chr1\t1.0\t20"])
def test_numbers_of_bed_are_decimal_digits(tmp_path, row):
    (tmp_path / "a.bed").write_text(row + "\n")
    with pytest.raises(DnakitError, match="line 1"):
        list(read_bed(tmp_path / "a.bed"))


def test_a_gene_beyond_its_sequence_is_refused(tmp_path):
    text = fuzz_texts.genbank(fuzz.random.Random(1)).decode()
    feature = next(line for line in text.splitlines() if line.startswith("     rRNA"))
    product = next(line for line in text.splitlines() if "product" in line)
    text = text.replace(feature, "     rRNA            500..900").replace(product, " " * 21 + '/product="12S rRNA"')
    (tmp_path / "a.gb").write_text(text)
    with pytest.raises(DnakitError, match="beyond its 600 bases"):
        [annotation(record) for record in read_genbank(tmp_path / "a.gb")]


@settings(max_examples=150)
@given(st.sampled_from(sorted(fuzz.KINDS)), st.integers(0, 10**6))
def test_a_mutated_file_is_read_rightly_or_refused_in_one_line(tmp_path_factory, kind, seed):
    path = tmp_path_factory.getbasetemp() / f"mutated-{os.getpid()}"
    assert fuzz.attempt(kind, fuzz.one(kind, seed, 0), path) in ("read", "refused")


# ---- genomes that are too short, or begin with N


@pytest.fixture(scope="module")
def corpus_of(tmp_path_factory):
    """A function that makes a small corpus of genomes that begin with some letters."""
    folder = tmp_path_factory.mktemp("corpora")

    def make(start, length):
        rng = fuzz.random.Random(1)
        path = folder / f"{start[:1]}{length}.fa"
        path.write_text("".join(f">g{i}\n{start}{fuzz_texts.dna(rng, length)}\n" for i in range(12)))
        shared = {"longest_genome": 10_000, "vocab_size": 60, "resamplings": 1, "seed": 1}
        return prepare(CorpusParameters(sources=[str(path)], genomes=12, tokenization="9-mer", **shared))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAKIT_DATA", str(folder))
        yield make


def test_genomes_that_begin_with_n_have_an_example_and_a_shift(corpus_of):
    corpus = corpus_of("N" * 60, 600)
    shown = counts.example({"9-mer": corpus}, 45).tokens["9-mer"]
    assert len(shown.replace(" ", "").replace("|", "")) == 45
    assert 0 < counts.kept_after_shift(corpus) < 1


def test_genomes_too_short_for_two_sentences_are_one_line_before_training(corpus_of):
    corpus = corpus_of("", 40)
    assert len(MlmSamples(corpus, "train", "static", "all", 1))
    with pytest.raises(DnakitError, match="the train genomes give no sample: each has fewer than 20 tokens"):
        SentenceOrderSamples(corpus, "train", "static", "all", 1)


@pytest.mark.parametrize("size", [2**60, 2**50])
def test_a_model_that_no_memory_holds_is_one_line(monkeypatch, capsys, size):
    import torch

    from dnakit import cli

    monkeypatch.setattr(cli, "app", lambda **_: torch.empty(size))
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, capsys.readouterr().err.count("\n")) == (1, 1)


def test_the_index_of_a_start_site_is_of_decimal_digits():
    assert organism("mine.fa@200").tss == 200
    for index in ("\uff12", "-1", "2.0", "1_0", ""):
        with pytest.raises(DnakitError, match="is no organism with promoters"):
            organism(f"mine.fa@{index}")


def test_a_seed_is_one_that_every_library_takes():
    values = parameters.declared("02_pretraining")
    assert open_chapter("02_pretraining", values | {"seed": 2**32 - 1}).parameters.seed == 2**32 - 1
    with pytest.raises(DnakitError, match="'seed': has to be less than 4294967296"):
        open_chapter("02_pretraining", values | {"seed": 2**32})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 100_001}, "'epochs': has to be 100000 or less, and is 100001"),
        ({"hidden_size": 1_000_000}, "'hidden_size': has to be 65536 or less"),
        ({"budget_epochs": [2, 10**6]}, "'budget_epochs.1': has to be 100000 or less"),
        ({"resamplings": 10**9}, "'resamplings': has to be 1000 or less"),
        ({"batch_size": 10**20}, "'batch_size' of 02_pretraining must be a whole number of at most 4,294,967,295"),
        (
            {"genomes": [12, 12, 12, -(10**40)]},
            "item 4 of 'genomes' of 02_pretraining must be a whole number of at most",
        ),
        ({"learning_rate": 10**400}, "'learning_rate' of 02_pretraining must be a number"),
    ],
)
def test_a_number_that_would_run_for_ever_is_refused(change, message):
    with pytest.raises(DnakitError, match=re.escape(message)):
        _ = chapter_of("02_pretraining", "smoke", change).runs


def test_what_is_downloaded_is_encrypted():
    for source in sources.registry().values():
        assert not source.url or source.url.startswith("https://"), source.name
    with pytest.raises(DnakitError, match="'url'"):
        checked(sources.Source, {"name": "x", "title": "x", "file": "x", "url": "http://example.org/x"}, "x")


def test_every_file_of_the_mirror_has_its_digest():
    assert [source.name for source in sources.registry().values() if source.mirror and not source.sha256] == []


def test_what_is_downloaded_is_pinned(folder, monkeypatch):
    """By the published digest, else by that of the first download, which a later release is compared with."""
    content = [b">a\nACGT\n"]

    def transfer(url, part):
        part.write_bytes(content[0])

    monkeypatch.setattr(download, "_transfer", transfer)
    monkeypatch.setenv("DNAKIT_DATA", str(folder / "data"))
    monkeypatch.delenv("DNAKIT_MIRROR", raising=False)
    downloaded = [name for name, source in sources.registry().items() if source.url]
    assert len(downloaded) > 30
    for name in downloaded:
        content[0] = b">a\nACGT\n"
        sources.registry()[name].sha256 or sources.fetch(name)
        got = folder / "data" / "raw" / sources.registry()[name].file
        got.unlink(missing_ok=True)
        content[0] = b">a\nTTTT\n"
        with pytest.raises(DnakitError, match="expected sha256"):
            sources.fetch(name)
        assert not got.exists()


# ---- nothing that is read is run


FORBIDDEN = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
SOURCES = [*ROOT.glob("dnakit/**/*.py"), *ROOT.glob("benchmarks/*.py"), *ROOT.glob("book/*.py")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_code_unpickles_or_runs_what_it_reads(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            assert not {name.split(".")[0] for name in names} & FORBIDDEN
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {each.arg: ast.unparse(each.value) for each in node.keywords}
            assert called not in ("eval", "exec", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle"), called
            assert called != "torch.load" or given.get("weights_only") == "True"
            assert given.get("allow_pickle", "False") == "False"
            assert given.get("trust_remote_code", "False") == "False"


class Evil:
    """Unpickling it writes a file."""

    def __reduce__(self):
        return (open, ("ran", "w"))


def test_a_pickled_file_in_place_of_weights_or_numbers_is_not_run(folder):
    import torch

    from dnakit.models.build import load

    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "longformer", "architectures": ["LongformerForMaskedLM"]}')
    for name in ("pytorch_model.bin", "model.safetensors"):
        torch.save(Evil(), model / name)
        with pytest.raises(DnakitError):
            load(model, "mlm")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        torch.load(model / "pytorch_model.bin")
    np.save(folder / "a.npy", np.array([Evil()]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(folder / "a.npy")
    assert not (folder / "ran").exists()


# ---- trainings that go on


def test_a_resumed_training_writes_its_history_in_the_same_order():
    from dnakit.trainer import Progress

    first, second = Progress(dict), Progress(dict)
    first.rows = [{"epoch": 1, "train_loss": 2.0, "test_loss": 1.0}]
    kept = json.loads(json.dumps(first.state(), sort_keys=True))  # as the Trainer writes it
    state = SimpleNamespace(stateful_callbacks={"Progress": kept}, max_steps=1, global_step=0)
    second.on_train_begin(None, state, None)
    assert second.history().to_csv() == first.history().to_csv()
