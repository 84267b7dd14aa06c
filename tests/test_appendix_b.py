"""Chapter 6: its runs are those of chapters 2 to 5 with other models, on the same samples."""

import hashlib
from pathlib import Path

import pytest

from dnakit.chapters.appendix_b.parameters import ELMO, LARGE, LONGFORMER, MODELS
from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.chromatin import fine_tuning as on_profiles
from dnakit.chapters.chromatin import measuring, organisms, profiles
from dnakit.chapters.metagenomics import copies
from dnakit.chapters.metagenomics import fine_tuning as on_genes
from dnakit.chapters.pretraining import starts
from dnakit.chapters.tss import fine_tuning as on_promoters
from dnakit.data import sources
from dnakit.models import device
from dnakit.notebooks.parameters import PROFILES
from dnakit.project import DnakitError
from dnakit.report.thesis import thesis_table
from dnakit.tokens.corpus import prepare

NAME = "06_appendix_b"
EARLIER = {  # the baselines, and the runs of chapters 2 to 5 that they are
    "mlm-longformer": ("02_pretraining", "longformer-9-mer-mlm"),
    "tss-longformer": ("03_tss", "thesis-mitochondria-dropout-0.1"),
    "12s-longformer": ("04_metagenomics", "mitochondria"),
    "chromatin-longformer": ("05_chromatin", "mitochondria-256"),
}


def runs(profile="smoke", **changes):
    return chapter_of(NAME, profile, changes).runs


@pytest.mark.parametrize("profile", PROFILES)
def test_names_and_edges_need_no_data(profile, monkeypatch, tmp_path):
    """Each run comes after those it needs, and needs none of another chapter: a cluster makes this one by itself."""
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    seen = []
    for name, edges in chapter_of(NAME, profile).edges().items():
        assert all(edge.notebook == NAME and edge.run in seen for edge in edges)
        seen.append(name)
    assert len(seen) == 16
    assert not list(tmp_path.iterdir())


@pytest.fixture
def names_for_digests(monkeypatch):
    """Keys with the names of files in place of their digests: they need no data."""
    monkeypatch.setattr(device, "bf16", lambda precision: precision != "fp32")
    monkeypatch.setattr(sources, "fetch", lambda name: Path(str(name)))
    monkeypatch.setattr(sources, "digest", lambda path: f"digest of {path}")
    monkeypatch.setattr(organisms, "_digest", lambda path: f"digest of {path}")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.usefixtures("names_for_digests")
def test_a_baseline_of_the_earlier_chapters_size_is_that_chapters_run(profile):
    found = runs(profile)
    tenth = {"12s-longformer": ("04_metagenomics", "mitochondria-tenth-seed-1")} if profile == "laptop" else {}
    for name, (notebook, run) in (EARLIER | tenth).items():
        assert found[name].key == chapter_of(notebook, profile).runs[run].key


@pytest.mark.usefixtures("names_for_digests")
def test_rows_differ_in_their_keys():
    keys = [run.key for run in runs("thesis").values()]
    assert len(set(keys)) == len(keys)
    changed = runs("thesis", tss_epochs=[10, 11, 10])
    assert [name for name, run in runs("thesis").items() if run.key != changed[name].key] == ["tss-elmo", "costs"]


def test_the_thesis_profile_has_the_thesiss_epochs_and_rates():
    of_thesis = thesis_table("hyperparameters").set_index(["subject", "parameter"])["value"]
    tasks = {"tss": "Transcription start sites", "species": "12S metagenomics", "chromatin": "Chromatin profiles"}
    chosen = chapter_of(NAME, "thesis").parameters
    for task, title in tasks.items():
        for model, words in ((ELMO, "ELMo"), (LARGE, "large Longformer")):
            found = chosen.task(task, model)
            assert found["epochs"] == int(of_thesis[f"{title}, {words}", "epochs"])
            assert found["learning_rate"] == float(of_thesis[f"{title}, {words}", "learning rate"])
    large = runs("thesis")["mlm-large-longformer"].settings
    assert (large["epochs"], large["learning_rate"], large["masking"]) == (200, 1e-4, "dynamic")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tss_epochs": [1, 2]}, "'tss_epochs' must have 3 entries, one for each model"),
        ({"pretraining_rates": [1e-3]}, "'pretraining_rates' must have 2 entries, one for each model"),
        ({"species_share": 0.0}, "'species_share'"),
        ({"chapters": "small"}, "there is no profile 'small'"),
    ],
)
def test_a_wrong_parameter_is_one_clear_error(changes, message):
    with pytest.raises(DnakitError, match=message) as caught:
        runs(**changes)
    assert "\n" not in str(caught.value)


# ---- the same samples


@pytest.fixture
def untrained(monkeypatch):
    """A start gives its tokenizer without being trained."""
    monkeypatch.setattr(starts, "model_folder", lambda run: prepare(run.corpus).folder / "tokenizer")


def digest(items):
    found = hashlib.sha256()
    for item in items:
        for name in ("input_ids", "labels"):
            found.update(item[name].numpy().tobytes())
    return found.hexdigest()


def promoters(run):
    return on_promoters.samples_of(run)


def genes(run):
    samples = copies.copies(run.parameters, run.seed, run.share)
    return on_genes.datasets(samples, starts.tokenizer_of(run.start), run.parameters.words)


def bins(run):
    chapter, each = run.parameters, run.experiment
    rows = profiles.prepare(run.organism, each.window, chapter.rows)
    return on_profiles.samples_of(run, rows, measuring.parts_of(rows, run.organism, each.split, chapter.seed))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "samples", "models"),
    [
        ("tss", promoters, MODELS),
        ("12s", genes, (*MODELS, f"{LARGE}-deep")),
        ("chromatin", bins, MODELS),
    ],
)
@pytest.mark.usefixtures("untrained")
def test_all_models_of_a_table_see_the_samples_of_the_earlier_chapter(task, samples, models):
    notebook, name = EARLIER[f"{task}-{LONGFORMER}"]
    parts = samples(chapter_of(notebook, "smoke").runs[name])
    wanted = {part: digest(items[number] for number in range(len(items))) for part, items in parts.items()}
    assert len(set(wanted.values())) == len(wanted) >= 2
    for model in models:
        found = samples(runs()[f"{task}-{model}"])
        assert {part: digest(items[number] for number in range(len(items))) for part, items in found.items()} == wanted


@pytest.mark.usefixtures("untrained")
def test_a_start_without_pretraining_has_the_architecture_that_is_asked_for():
    run = runs()["mlm-longformer"]
    elmo = starts.model_of("none", run, "tss", ELMO)
    assert elmo.config.model_type == "elmo"
    assert elmo.config.hidden_size == run.parameters.hidden_size
    large = starts.model_of("none", run, "sequence-deep", LARGE, num_labels=3)
    assert (large.config.num_hidden_layers, large.config.num_attention_heads) == (4, 32)
    assert large.classifier.dense.in_features == 256 * run.parameters.hidden_size
