"""The thesis's readings of a gene as tokens, and the sums that top-5 accuracy comes from."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from dnakit import project, store
from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.metagenomics import copies, fine_tuning, model_measuring, model_results, tasks
from dnakit.models import build
from dnakit.report import finished
from dnakit.tokens.tokenizer import known_words, train_tokenizer
from dnakit.tokens.vocabulary import CLS, PAD, SEP


@pytest.fixture(scope="module")
def samples():
    return copies.copies(chapter_of("04_metagenomics", "smoke", {"species": 6, "copies": 6}).parameters, seed=2)


@pytest.fixture(scope="module")
def tokenizer(samples):
    return train_tokenizer([known_words(gene, 9) for gene in samples.genes["sequence"]], 1500, 9)


@pytest.mark.parametrize("words", ["gene", "genome", "whole", "small vocabulary"])
def test_every_reading_spells_the_same_gene(samples, tokenizer, words):
    letters = tokenizer.token_letters()
    encoded = fine_tuning.encode(samples, tokenizer, words)
    assert [b"".join(letters[token] for token in tokens) for tokens in encoded] == samples.sequences


def test_readings_differ_in_what_they_should(samples, tokenizer):
    readings = ("gene", "genome", "whole", "small vocabulary")
    encoded = {words: fine_tuning.encode(samples, tokenizer, words) for words in readings}
    small = np.concatenate(encoded["small vocabulary"])
    assert small.max() < fine_tuning.SMALL_VOCABULARY
    assert len(small) > len(np.concatenate(encoded["gene"]))
    lengths = tokenizer.token_lengths()
    assert all(9 in np.cumsum(lengths[tokens]) for tokens in encoded["gene"])
    for words in ("genome", "whole"):
        assert not all(9 in np.cumsum(lengths[tokens]) for tokens in encoded[words])


def test_samples_are_framed_and_as_wide_as_the_longest(samples, tokenizer):
    data = fine_tuning.datasets(samples, tokenizer, "gene")
    item = data["train"][0]
    length = int(item["attention_mask"].sum())
    assert item["input_ids"][0] == CLS
    assert item["input_ids"][length - 1] == SEP
    assert (item["input_ids"][length:] == PAD).all()
    assert [len(data[part]) for part in copies.PARTS] == [len(samples.rows[part]) for part in copies.PARTS]
    widths = {part.ids.shape[1] for part in data.values()}
    assert len(widths) == 1
    assert widths.pop() % fine_tuning.WIDTHS == 0


def test_the_fourth_sum_counts_labels_among_the_five_highest_scores():
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "num_hidden_layers": 1}
    model = fine_tuning.counting_top5(build.build("longformer", "sequence", 50, num_labels=9, **sizes)).eval()
    ids = torch.randint(5, 50, (12, 20))
    ids[:, 0] = CLS
    labels = torch.randint(0, 9, (12,))
    output = model(ids, attention_mask=torch.ones_like(ids), labels=labels)
    rank = (output.logits > output.logits.gather(1, labels[:, None])).sum(1)
    assert output.counts.shape == (1, 4)
    assert output.counts[0, 2:].tolist() == [(rank == 0).sum(), (rank < 5).sum()]
    metrics = fine_tuning.summarise(output.counts[0].numpy())
    assert metrics["top1"] <= metrics["top5"]


def test_a_longer_gene_is_cut_and_a_shorter_one_padded():
    genes = [np.arange(10, 10 + length, dtype=np.int32) for length in (0, 5, 14, 20)]
    samples = fine_tuning.GeneSamples(genes, np.arange(4), 16)
    for number, gene in enumerate(genes):
        shown = gene[:14].tolist()
        item = samples[number]
        assert item["input_ids"].tolist() == [CLS, *shown, SEP, *[PAD] * (14 - len(shown))]
        assert item["attention_mask"].sum() == len(shown) + 2
        assert item["labels"] == number


# ---- what the trained models are worth


def test_a_paired_difference_is_surer_than_two_accuracies():
    rng = np.random.default_rng(1)
    species = np.repeat(np.arange(60), 5)
    hard = np.repeat(rng.random(60), 5)  # some species are hard for both
    one, other = rng.random(300) > 0.8 * hard, rng.random(300) > 0.9 * hard
    right = {"a": one, "b": one & other}
    found = dict(model_measuring._differences(right, species, 1))["a_minus_b"]
    assert found["share"] == pytest.approx(one.mean() - (one & other).mean())
    assert 0 <= found["low"] <= found["share"] <= found["high"]
    low, high = tasks.interval(one, species, 1)
    assert found["high"] - found["low"] < high - low


def test_errors_are_counted_by_the_lowest_rank_they_share():
    species = np.repeat(np.arange(4), 5)
    errors = pd.DataFrame({"sample": [0, 1, 7, 19], "shared": ["genus", "genus", "order", "class"]})
    found = model_measuring._by_rank(errors, species, 1)
    assert found["genus"]["share"] == 0.5
    assert found["within the order"]["share"] == 0.75
    assert sum(found[rank]["share"] for rank in model_measuring.SHARED) == 1
    assert found["genus"]["low"] < 0.5 < found["genus"]["high"]
    nothing = model_measuring._by_rank(errors[:0], species, 1)
    assert nothing["genus"]["share"] is None


def test_a_model_names_a_read_on_the_strand_for_which_it_is_surer(monkeypatch, tmp_path):
    def scores(model, reads, precision):
        return np.array([[9.0, 0.0] if read.startswith(b"A") else [0.0, 1.0] for read in reads])

    for module, name, instead in (
        (model_measuring, "load_tokenizer", lambda folder: None),
        (model_measuring.build, "load", lambda folder: None),
        (model_measuring, "_tokens", lambda run, tokenizer, reads: reads),
        (fine_tuning, "scores", scores),
    ):
        monkeypatch.setattr(module, name, instead)
    (tmp_path / "classes.csv").write_text("species\nG a\nG b\n")
    run = SimpleNamespace(folder=lambda: tmp_path, parameters=SimpleNamespace(precision="fp32"))
    assert model_measuring._by_model(run, [b"ACC", b"CCT", b"CCC"]).tolist() == ["G a", "G a", "G b"]


@pytest.fixture(scope="module")
def smoke():
    return chapter_of("04_metagenomics", "smoke").runs


@pytest.mark.trained
def test_the_accuracies_are_those_of_the_trainings(smoke):
    found = store.read_json(smoke["pretraining-effect"].folder() / "metrics.json")
    for name in ("mitochondria", "none", "nuclear"):
        top1 = store.read_json(smoke[name].folder() / "metrics.json")["test"]["top1"]
        assert found["accuracy"][name]["top1"] == pytest.approx(top1)
    gap = found["accuracy"]["mitochondria"]["top1"] - found["accuracy"]["none"]["top1"]
    assert found["difference"]["mitochondria_minus_none"]["top1"] == pytest.approx(gap)


@pytest.mark.trained
def test_other_records_are_of_trained_species_and_unknown_sequences(smoke):
    run = smoke["other-records"]
    genes = copies.genes_of(run.parameters, run.share)
    others = model_measuring._others(run, genes)
    assert len(others)
    assert others["species"].is_unique
    assert set(others["species"]) <= set(genes["species"])
    assert not set(others["sequence"]) & set(genes["sequence"])
    found = store.read_json(run.folder() / "metrics.json")
    assert set(found) == set(tasks.FORMS)
    assert all(0 <= method["top1"] <= 1 for form in found.values() for method in form.values())
    assert found["gene"]["search"]["top1"] > found["gene"]["none"]["top1"]


@pytest.mark.trained
def test_the_speed_is_that_of_the_genes_that_programs_are_asked_about(smoke):
    run = smoke["speed"]
    found = store.read_json(run.folder() / "metrics.json")
    asked = copies.copies(run.parameters, run.parameters.seed).part("test")[0]
    assert found["reads"] == min(run.parameters.program_samples, len(asked))
    assert found["reads_per_second"] > 0


def test_a_difference_reads_the_same_from_either_side():
    recorded = finished.recorded("04_metagenomics")
    text = [model_results.points(recorded, *pair) for pair in (("Hg38", "Untrained"), ("Untrained", "Hg38"))]
    there, back = ([float(number) for number in re.findall(r"[+-]\d+\.\d+", each)] for each in text)
    assert there == pytest.approx([-back[0], -back[2], -back[1]])
    assert there[1] <= there[0] <= there[2]


def test_the_shares_of_right_names_are_those_of_the_trainings():
    recorded = finished.recorded("04_metagenomics")
    right = model_results.named_right(recorded)
    for start, title in model_results.MODELS.items():
        assert right[title].startswith(f"{recorded[start].value('metrics.test.top1'):.1%} [")
    assert right["nearest consensus"].startswith(f"{recorded['copies-consensus'].value('metrics.test.top1'):.1%} [")


def test_the_readme_says_what_the_trainings_reached():
    recorded, readme = finished.recorded("04_metagenomics"), (project.root() / "README.md").read_text(encoding="utf-8")
    accuracy = recorded["pretraining-effect"].frame("accuracies.csv").set_index("method")
    other = recorded["other-records"].frame("accuracies.csv").query("form == 'gene'").set_index("method")
    kept = model_results.within_order(recorded)
    starts = {"mitochondria": "pretrained on mitochondria", "nuclear": "pretrained on hg38", "none": "not pretrained"}
    for start, title in starts.items():
        cells = [model_results.percent(table.loc[start]) for table in (accuracy, other)]
        row = f"| Longformer, {title} | {cells[0]} | {kept[model_results.MODELS[start]]} | {cells[1]} |"
        assert row in readme
    assert f"| nearest consensus, no training | {model_results.percent(accuracy.loc['consensus'])} |" in readme
    assert f"| k-mer search and alignment | | | {model_results.percent(other.loc['search'])} |" in readme
    words = " ".join(readme.split())
    for one, other in (("Mitochondria", "Untrained"), ("Hg38", "Untrained"), ("Mitochondria", "Hg38")):
        assert model_results.points(recorded, one, other) in words
    paired = recorded["fair-differences"].frame("differences.csv")
    ahead, behind = (paired.low > 0).sum(), (paired.high < 0).sum()
    assert paired.method.nunique() == 4
    assert f"In {len(paired)} paired comparisons with four other methods" in words
    assert f"ahead in {ahead} and behind in {behind} by more than the interval" in words
    read = recorded["pretrained-species"].metrics
    known, genomes = read["pretrained"]["species"], read["genomes"]
    assert f"Of the {read['species']:,} species {known} were among the {genomes} genomes" in words
