"""Networks of chapter 5: losses and metrics against references, inputs, padding, and whole small trainings."""

import json
import re
import shutil
import tracemalloc
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F
from torch.utils.data import default_collate

from dnakit import training
from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.chromatin import comparisons, control_results, feature_results, takeaways, training_results
from dnakit.chapters.chromatin.comparisons import Difference, Predictions, differences, read
from dnakit.chapters.chromatin.comparisons import _summary as summary_of_differences
from dnakit.chapters.chromatin.fine_tuning import load_model, weighted_loss
from dnakit.chapters.chromatin.gapped import GappedModel, counts
from dnakit.chapters.chromatin.motifs import attributions, shares, words_with
from dnakit.chapters.chromatin.mutagenesis import (
    FLANK,
    MOTIFS,
    Site,
    averaged,
    features_of,
    importance,
    sites_of,
    summary,
)
from dnakit.chapters.chromatin.networks import Convolutional, ProfileModel, load, score
from dnakit.chapters.chromatin.parameters import BEST
from dnakit.chapters.chromatin.profiles import Batch, Profiles, _write
from dnakit.chapters.chromatin.samples import BaseInputs, Labels, Samples, TokenInputs, Windows
from dnakit.chapters.chromatin.summary import Summary
from dnakit.chapters.chromatin.trainings import TABLE_5_4
from dnakit.data import bases
from dnakit.data.peaks import Feature
from dnakit.models import build
from dnakit.models.heads import ClassificationOutput
from dnakit.notebooks.parameters import settings
from dnakit.report import finished
from dnakit.report.finished import Finished
from dnakit.tokens.tokenizer import train_tokenizer
from dnakit.tokens.vocabulary import CLS, PAD, SEP

pytestmark = pytest.mark.slow

FEATURES = [Feature("a", "TF"), Feature("b", "TF"), Feature("c", "DNase")]
TINY = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 4, "num_hidden_layers": 1}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 3, generator=generator) * 2
    return logits, (torch.rand(200, 3, generator=generator) < 0.3).to(torch.int8)


def test_the_loss_is_torchs_where_every_label_is_known(batch):
    logits, labels = batch
    expected = F.binary_cross_entropy_with_logits(logits, labels.float(), pos_weight=torch.tensor(8.0))
    assert score(logits, labels, 8.0)[0].item() == pytest.approx(expected.item(), rel=1e-6)
    found = weighted_loss(labels.numpy(), torch.sigmoid(logits).numpy(), 8.0)
    assert found == pytest.approx(expected.item(), rel=1e-4)


def test_unknown_labels_give_no_loss_and_no_gradient(batch):
    logits, labels = batch
    labels[:50, 1] = -1
    logits.requires_grad_()
    loss, counts = score(logits, labels, 8.0)
    loss.backward()
    assert (logits.grad[:50, 1] == 0).all()
    assert (logits.grad[50:] != 0).all()
    changed = logits.detach().clone()
    changed[:50, 1] += 5
    again, same = score(changed, labels, 8.0)
    assert again.item() == pytest.approx(loss.item())
    assert torch.equal(counts, same)


def test_metrics_of_summed_batches_are_those_of_all_samples(batch):
    logits, labels = batch
    labels[:50, 1] = -1
    parts = [score(logits[start : start + 32], labels[start : start + 32], 8.0)[1] for start in range(0, 200, 32)]
    found = Summary(FEATURES)(torch.stack(parts).double().sum(0).numpy())
    areas = [roc_auc_score(labels[known, n] == 1, logits[known, n]) for n in range(3) for known in [labels[:, n] >= 0]]
    assert found["auroc_TF"] == pytest.approx(np.mean(areas[:2]), abs=0.01)
    assert found["auroc_DNase"] == pytest.approx(areas[2], abs=0.01)
    known = labels >= 0
    answers, truth = (logits > 0)[known], (labels == 1)[known]
    assert found["recall"] == pytest.approx(answers[truth].float().mean().item())
    assert found["precision"] == pytest.approx(truth[answers].float().mean().item())
    assert found["loss"] == pytest.approx(score(logits, labels, 8.0)[0].item(), rel=1e-5)


# ---- networks


@pytest.mark.parametrize(("kind", "parameters"), [("cnn", 52_843_119), ("danq", 46_926_479)])
def test_published_shapes_have_their_published_numbers_of_weights(kind, parameters):
    """DeepSEA's and DanQ's on the 919 features; DanQ's Keras LSTM has one vector of biases where torch has two."""
    with torch.device("meta"):
        network = Convolutional(kind, 919, 1_000, 1.0)
    weights = sum(each.numel() for name, each in network.named_parameters() if "bias_hh" not in name)
    assert weights == parameters


@pytest.mark.parametrize("kind", ["cnn", "danq"])
def test_a_convolutional_network_is_saved_and_loaded(kind, tmp_path):
    network = Convolutional(kind, 3, 1_000, 0.02).eval()
    codes = torch.randint(0, 5, (2, 1_000), dtype=torch.uint8)
    network.save_pretrained(tmp_path)
    assert torch.equal(load(tmp_path)(codes).logits, network(codes).logits)


def test_an_unknown_base_is_zero_in_every_channel():
    network = Convolutional("cnn", 3, 1_000, 0.02).eval()
    seen = []
    network.body.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(torch.full((1, 1_000), 4, dtype=torch.uint8))
    network(torch.full((1, 1_000), 3, dtype=torch.uint8))
    assert seen[0].sum() == 0
    assert seen[1][0, 3].sum() == 1_000


# ---- inputs


@pytest.fixture(scope="module")
def tokenizer():
    rng = np.random.default_rng(0)
    return train_tokenizer(["".join(rng.choice(list("ACGT"), 9_000))], 200, 9)


def windows(count, length=400, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.choice(list(b"ACGT"), length).astype(np.uint8).tobytes() for _ in range(count)]


def test_tokens_are_framed_cut_and_padded(tokenizer):
    sequences = windows(4)
    whole, cut = TokenInputs(sequences, tokenizer, 512), TokenInputs(sequences, tokenizer, 64)
    for row, sequence in enumerate(sequences):
        ids, encoded = whole[row]["input_ids"], tokenizer.encode_sequence(sequence)
        real = ids[whole[row]["attention_mask"] == 1]
        assert real.tolist() == [CLS, *encoded.tolist(), SEP]
        assert (ids[len(real) :] == PAD).all()
        assert cut[row]["input_ids"].tolist() == [CLS, *encoded[:62].tolist(), SEP]
    assert len(whole[0]["input_ids"]) < 512, "padding that no input needs is left out"


def test_padding_changes_no_logit(tokenizer):
    """So that an input of 1,024 tokens is one of 256 where both hold the whole window."""
    torch.manual_seed(0)
    model = build.build("longformer", "multilabel", len(tokenizer), num_labels=3, max_tokens=512, **TINY).eval()
    batch = default_collate(list(TokenInputs(windows(2), tokenizer, 512)))
    more = {name: F.pad(each, (0, 160), value=PAD if name == "input_ids" else 0) for name, each in batch.items()}
    with torch.no_grad():
        assert torch.allclose(model(**batch).logits, model(**more).logits, atol=1e-6)


def test_a_model_for_more_tokens_with_the_same_weights_gives_the_same_logits(tokenizer):
    """What an input of 1,024 tokens adds to one of 256 that holds the window: position vectors that are never used."""
    models, logits = {}, {}
    for tokens in (256, 1_024):
        torch.manual_seed(0)
        options = {"num_labels": 3, "max_tokens": tokens} | TINY
        models[tokens] = build.build("longformer", "multilabel", len(tokenizer), **options).eval()
    short, long = (models[tokens].state_dict() for tokens in (256, 1_024))
    for name, value in short.items():
        long[name][: len(value)] = value
    models[1_024].load_state_dict(long)
    batch = default_collate(list(TokenInputs(windows(2), tokenizer, 256)))
    assert batch["attention_mask"].sum(1).max() < 256, "the windows fit"
    for tokens, model in models.items():
        more = {
            name: F.pad(each, (0, tokens - each.shape[1]), value=PAD * (name == "input_ids"))
            for name, each in batch.items()
        }
        with torch.no_grad():
            logits[tokens] = model(**more).logits
    assert torch.allclose(logits[256], logits[1_024], atol=1e-6)


def test_each_epoch_draws_other_samples_and_the_same_again():
    inputs, labels = BaseInputs(windows(50)), np.zeros((50, 3), np.int8)
    samples = Samples(inputs, labels, 20, 1, redraw=True)
    drawn = []
    for epoch in (0, 1, 0):
        samples.epoch = epoch
        drawn.append([samples[n]["codes"].numpy().tobytes() for n in range(20)])
    assert drawn[0] == drawn[2] != drawn[1]
    assert len(set(drawn[0])) == len(samples) == 20
    fixed = Samples(inputs, labels, 20, 1, redraw=False)
    fixed.epoch = 1
    assert [fixed[n]["codes"].numpy().tobytes() for n in range(20)] == drawn[0]


def test_labels_stay_with_their_inputs():
    sequences, labels = windows(30), np.arange(30, dtype=np.int8)[:, None]
    samples = Samples(BaseInputs(sequences), labels, 0, 1, redraw=True)
    samples.epoch = 3
    expected = {BaseInputs([each])[0]["codes"].numpy().tobytes(): row for row, each in enumerate(sequences)}
    assert all(
        expected[item["codes"].numpy().tobytes()] == int(item["labels"]) for item in map(samples.__getitem__, range(30))
    )


def rows_on_disk(folder, count):
    """A table of so many windows of 1,000 bases with 50 features."""
    rng = np.random.default_rng(0)
    batches = (
        Batch(
            ["chr1"] * 500,
            np.arange(start, start + 500),
            [bases.letters(each) for each in rng.integers(0, 4, (500, 1_000))],
            rng.integers(0, 2, (500, 50), np.int8),
        )
        for start in range(0, count, 500)
    )
    folder.mkdir()
    found = _write(folder, 50, batches)
    pd.DataFrame({"feature": range(50), "kind": "TF", "bins": found}).to_csv(folder / "features.csv", index=False)
    return Profiles(folder)


@pytest.mark.parametrize("reads", ["tokens", "bases"])
def test_memory_of_samples_does_not_grow_with_rows(reads, tokenizer, tmp_path):
    """Of numpy and Python as tracemalloc counts, and of Arrow as its pool does; the numbers of rows are let pass."""

    def inputs(found):
        return BaseInputs(found) if reads == "bases" else TokenInputs(found, tokenizer, 512)

    taken = {}
    inputs(windows(600, 1_000))[0]  # the tokenizer has its table
    for count in (500, 5_000):
        profiles = rows_on_disk(tmp_path / f"{count}", count)
        arrow = pyarrow.total_allocated_bytes()
        tracemalloc.start()
        rows = np.arange(count)
        samples = Samples(inputs(Windows(profiles, rows)), Labels(profiles, rows), 0, 1, redraw=True)
        assert sum(int(samples[n]["labels"].sum()) for n in range(200)) > 0
        taken[count] = tracemalloc.get_traced_memory()[0] + pyarrow.total_allocated_bytes() - arrow
        tracemalloc.stop()
    numbers = 3 * 8 * (5_000 - 500)  # of the rows, of their permutation, and of a copy of either
    assert taken[5_000] - taken[500] < numbers, "a window alone has 1,000 bytes"


# ---- trainings


class Breaking(Samples):
    """Samples that cannot be read in the second epoch."""

    def __getitem__(self, number):
        if self.epoch == 1:
            raise KeyboardInterrupt
        return super().__getitem__(number)


def train(folder, kind=Samples):
    labels = (np.random.default_rng(0).random((48, 3)) < 0.4).astype(np.int8)
    samples = {
        part: kind(BaseInputs(windows(48, 1_000)), labels, count, 1, redraw=part == "train")
        for part, count in (("train", 32), ("validation", 16))
    }
    values = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32", "seed": 3}
    parameters = training.TrainingParameters(**values)
    return training.train(
        lambda: ProfileModel(Convolutional("danq", 3, 1_000, 0.02), 8.0), samples, parameters, Summary(FEATURES), folder
    )


def test_a_training_that_was_stopped_ends_as_an_undisturbed_one(tmp_path):
    folders = tmp_path / "whole", tmp_path / "stopped"
    expected = train(folders[0])
    with pytest.raises(KeyboardInterrupt):
        train(folders[1], Breaking)
    found = train(folders[1])
    one, other = (load(folder / "model").state_dict() for folder in folders)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert found["validation"] == pytest.approx(expected["validation"], nan_ok=True)
    assert (folders[0] / "history.csv").read_text() == (folders[1] / "history.csv").read_text()


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAKIT_DATA", str(tmp_path_factory.mktemp("data")))
        changes = {
            "network_scale": 0.05,
            "epoch_samples": 0,
            "epochs": 5,
            "batch_size": 16,
            "learning_rate": 3e-3,
            "evaluation_samples": 64,
        }
        yield open_chapter("05_chromatin", settings("05_chromatin", "smoke", changes))


@pytest.fixture(scope="module")
def danq(chapter):
    return chapter.runs["danq-random"].folder()


def test_a_network_learns_a_simulated_profile_and_its_predictions_are_what_is_scored(chapter, danq):
    from dnakit.chapters.chromatin.profiles import prepare

    run = Finished("this run", "test", {"danq-random": danq})["danq-random"]
    history, table = run.frame("history.csv"), run.frame("features.csv")
    assert history.train_loss.iloc[-1] < history.train_loss.iloc[0]
    assert run.value("metrics.test.kinds.histone.auroc_mean") > 0.6
    with np.load(danq / "predictions.npz") as kept:
        labels, probabilities = kept["labels"], kept["probabilities"]
        places = set(zip(kept["chromosome"].tolist(), kept["start"].tolist(), strict=True))
    profiles = prepare(chapter.parameters.data(), 1_000)
    assert places < set(zip(profiles.chromosomes.tolist(), profiles.starts.tolist(), strict=True))
    found = [roc_auc_score(*pair) for pair in zip(labels.T, probabilities.T, strict=True)]
    assert found == pytest.approx(table.auroc.tolist(), abs=1e-5)
    assert run.record["rows"]["test"] == len(labels)


def test_a_trained_network_is_loaded_as_it_was_scored(chapter, danq):
    model = load_model(chapter.runs["danq-random"], danq)
    assert isinstance(model, ProfileModel)
    assert model.network.shape["kind"] == "danq"


def test_longer_inputs_wider_windows_and_splits_are_other_runs(chapter):
    keys = [run.key for name, run in chapter.runs.items() if name.startswith(("cnn", "danq", "simple"))]
    assert len(set(keys)) == len(keys)
    named = {run.name: run.experiment for run in chapter.runs.values() if hasattr(run, "experiment")}
    assert named["none-1024-2000bp-chromosomes"].window == 2_000
    assert [(named[f"{start}-{tokens}"].split) for start, tokens in TABLE_5_4] == ["random"] * 5


def test_table_5_4_has_a_row_for_each_of_the_thesiss_and_dashes_before_training(danq):
    done = Finished("recorded", "laptop", {"danq-random": danq})
    table = training_results.table_5_4(done)
    printed = training_results.published().set_index(training_results.TABLE_KEYS)
    assert len(table) == 5
    assert set(table.index) < set(printed.index)
    assert table.isna().all(axis=None)
    assert training_results.figure_5_15(done) is None
    found = control_results.networks(done).loc[("Simulated P", "random", "DanQ"), "AUROC histone"]
    mean, low, high = map(float, re.findall(r"[.\d]+", found))
    assert low < mean < high
    assert mean > 0.6


def test_rows_are_called_in_words(danq):
    done = Finished("recorded", "laptop", {"danq-random": danq})
    expected = ("Simulated P", "DanQ", "1,000 bp", "random")
    assert control_results.strands(done).index.tolist() == [expected]
    costs = control_results.costs(done)
    assert costs.index.tolist() == [expected]
    assert costs["trainings"].item() == 1
    assert control_results.draw_weights(done) is None, "it has a single weight"


def test_differences_are_in_words_and_in_order(tmp_path):
    found = {"auroc": 0.01234, "auroc_interval": [-0.1, 0.2], "auprc": -0.005, "auprc_interval": [-0.01, -0.001]}
    found["features"] = 7
    pairs = {
        name: {"repeats": 3, "kinds": {"TF": found}} for name in ("bases-3000", "tokens-1024", "pretraining-nuclear")
    }
    (tmp_path / "metrics.json").write_text(json.dumps({"pairs": pairs}))
    table = control_results.differences(Finished("recorded", "laptop", {"comparisons": tmp_path}))
    assert table.index.get_level_values("difference").tolist() == [
        "pretrained on hg38 minus not pretrained",
        "1,024 tokens minus 256",
        "3,000 bp minus 1,000",
    ]
    assert table["AUROC TF"].tolist() == ["+0.012 [-0.100, +0.200]"] * 3
    assert table["AUPRC TF"].tolist() == ["-0.005 [-0.010, -0.001]"] * 3
    assert table["AUROC DNase"].tolist() == ["–"] * 3
    assert table["features"].tolist() == ["7"] * 3


def test_lengths_are_means_over_seeds_and_differences_are_said_as_they_are(tmp_path):
    made = {"network": "longformer", "initialization": "none", "split": "random", "window": 1_000, "tokens": 512}
    for repeat, area in enumerate((0.6, 0.7, 0.8)):
        (tmp_path / f"{repeat}").mkdir()
        kinds = {"TF": {"auroc_mean": area, "auprc_mean": area / 10}}
        record = {"parameters": made | {"positive_weight": 8.0, "repeat": repeat}, "input_length": 256}
        (tmp_path / f"{repeat}" / "metrics.json").write_text(json.dumps({"test": {"kinds": kinds}}))
        (tmp_path / f"{repeat}" / "run.json").write_text(json.dumps(record))
    done = Finished("recorded", "laptop", {f"none-{n}": tmp_path / f"{n}" for n in range(3)})
    half = 4.3027 * 0.1 / np.sqrt(3)
    row = control_results.lengths(done).loc["random", 1_000, 512]
    assert row["AUROC TF"] == f"0.700 [{0.7 - half:.3f}, {0.7 + half:.3f}]"
    assert (row["seeds"], row["AUROC DNase"]) == (3, "–")
    assert takeaways.seeds(done, takeaways.PADDED) == ""
    differ = {"kinds": {"TF": {"auroc": 0.01, "auroc_interval": [-0.1, 0.2]}}, "repeats": 3}
    (tmp_path / "metrics.json").write_text(json.dumps({"pairs": {"tokens-512": differ}}))
    done = Finished("recorded", "laptop", {"comparisons": tmp_path})
    expected = "512 tokens minus 256 (split: random; 3 seeds each) TF +0.010 [-0.100, +0.200]"
    assert takeaways.seeds(done, takeaways.PADDED) == expected
    assert takeaways.still_open(done, takeaways.PADDED) == (1, 1)


# ---- mutagenesis


class CountsMotif(torch.nn.Module):
    """A network whose first logit is how often a word occurs, weighted by how many of its letters are there."""

    def __init__(self, word):
        super().__init__()
        self.word = torch.from_numpy(bases.codes(word).astype(np.int64))

    def forward(self, codes):
        same = codes.long().unfold(1, len(self.word), 1) == self.word
        return ClassificationOutput(logits=(same.sum(-1) == len(self.word)).sum(1, keepdim=True).float())


def test_mutagenesis_finds_the_bases_that_a_network_reads_on_either_strand():
    word = MOTIFS["Cbf1"].encode()
    window = b"A" * 450 + word + b"A" * (550 - len(word))
    model = ProfileModel(CountsMotif(word), 1.0)
    found = importance(model, window, np.arange(440, 470), 0, "fp32")
    assert found.tolist() == [0] * 10 + [1] * len(word) + [0] * (20 - len(word))
    table = averaged(partial(importance, model, column=0, precision="fp32"), [Site(window, 450)] * 3, len(word))
    assert summary(table, len(word)) == {"inside": 1.0, "beside": 0.0}
    assert table.groupby("place")["share"].sum().tolist() == [1.0] * (len(word) + 2 * FLANK)


def test_sites_read_as_their_motif_does(chapter):
    from dnakit.chapters.chromatin.profiles import prepare

    profiles = prepare(chapter.parameters.data(), 1_000)
    (motif, column), *_ = features_of(profiles)
    assert profiles.features[column].name == "cell1.CTCF"
    sites = list(sites_of(profiles, np.arange(len(profiles)), motif, column))
    assert len(sites) > 10
    assert all(re.match(b"CCA[CG][CT]AG[AG][GT]GGC", site.window[site.start :]) for site in sites)
    assert all(400 <= site.start < 600 for site in sites)
    assert len(MOTIFS[motif]) == 12


# ---- the most important ten bases


class Scans(Convolutional):
    """A network whose logits are the best match of a word, by the number of its letters, on the strand that is read."""

    def __init__(self, word):
        torch.nn.Module.__init__(self)
        self.out = torch.nn.Linear(1, 1)
        self.body = torch.nn.Conv1d(4, 1, len(word), bias=False)
        letters = F.one_hot(torch.from_numpy(bases.codes(word)).long(), 5)[:, :4].T
        self.body.weight.data = letters[None].float()

    def logits(self, channels):
        return self.body(channels).max(-1).values


def test_attributions_are_mutagenesis_where_a_network_is_linear():
    window = windows(1)[0]
    network = Scans(window)
    found = attributions(network, [window], 0)[0]
    codes = network(torch.from_numpy(bases.codes(window))[None]).logits
    places = np.arange(0, 400, 37)
    assert found[places] == pytest.approx(importance(ProfileModel(network, 1.0), window, places, 0, "fp32"), abs=1e-4)
    assert codes.item() == len(window)


def test_unknown_bases_are_of_no_importance():
    network = Convolutional("cnn", 2, 1_000, 0.02)
    window = windows(1, 1_000)[0]
    found = attributions(network, [window[:300] + b"N" * 100 + window[400:]], 1)[0]
    assert (found[300:400] == 0).all()
    assert (found[:300] != 0).any()


@pytest.mark.parametrize("strand", [bytes, bases.reverse_complement])
def test_a_network_that_reads_a_motif_has_it_in_its_most_important_word(strand):
    word = b"TTACCCG"
    held = [window[:180] + strand(word) + window[187:] for window in windows(30, seed=4)]
    networks = Scans(strand(word)), Scans(b"GATTACAGATT")
    right, wrong = (shares(partial(attributions, each, column=0), held, "Reb1") for each in networks)
    assert right["with_motif"] == right["top"] == 1
    assert right["interval"][0] > 0.8
    assert wrong["top"] < 0.2
    assert 0.01 < right["random"] < 0.05, "4 of 391 words begin so that they hold all seven bases"


def test_words_hold_a_motif_where_they_share_seven_bases_with_it():
    window = b"A" * 50 + b"CCACTAGGGGGC" + b"A" * 50
    expected = {start for start in range(103) if min(start + 10, 62) - max(start, 50) >= 7}
    assert set(np.flatnonzero(words_with("CTCF", window))) == expected
    assert set(np.flatnonzero(words_with("CTCF", bases.reverse_complement(window))[::-1])) == expected
    assert not words_with("CTCF", b"A" * 100).any()


def test_a_factor_is_found_by_its_whole_name():
    """CREB1 of man is not Reb1 of yeast."""
    names = ["DREAM.HepG2.CREB1", "AWG.K562.CTCF", "DREAM.A549.CTCFL"]
    profiles = SimpleNamespace(features=[Feature(name, "TF") for name in names], labels=np.ones((2, 3), np.int8))
    assert list(features_of(profiles)) == [("CTCF", 1)]


def test_what_a_network_looks_at_is_a_run_of_its_training(chapter, danq):
    named = {name: run for name, run in chapter.runs.items() if name.startswith("motifs")}
    assert {run.model.name for run in named.values()} == {"gapped-chromosomes", "cnn-chromosomes", "danq-chromosomes"}
    outcome = replace(named["motifs-danq-chromosomes"], model=chapter.runs["danq-random"]).compute(danq)
    found = outcome.metrics["motifs"]["CTCF"]
    assert found["feature"] == "cell1.CTCF"
    assert found["with_motif"] > 0.9 > 0.1 > found["shuffled"]["with_motif"]
    assert 0 <= found["top"] <= 1


# ---- what gapped k-mers look at


def reads(word):
    """Gapped k-mers that count the word, and give other words less the fewer gapped words they share with it."""
    weights = np.ones((counts([word]).shape[1], 2), np.float32)
    weights[:, 1] = counts([word])[0]
    return GappedModel(weights, np.array([1.0, -2.0], np.float32))


def test_importance_of_a_base_is_what_the_logit_loses_when_it_changes():
    model = GappedModel(np.random.default_rng(0).normal(size=(10_752, 2)).astype(np.float32), np.zeros(2, np.float32))
    window = windows(1, 60, seed=7)[0]
    window = window[:20] + b"N" + window[21:]
    for place, found in enumerate(model.importance([window], 1)[0]):
        others = [window[:place] + bytes([each]) + window[place + 1 :] for each in b"ACGT" if each != window[place]]
        logits = model.logits([window, *others])[:, 1]
        expected = 0 if place == 20 else logits[0] - logits[1:].mean()
        assert found == pytest.approx(expected, abs=1e-3), place


@pytest.mark.parametrize("strand", [bytes, bases.reverse_complement])
def test_gapped_words_of_a_motif_are_its_most_important_ten_bases(strand):
    word = b"TTACCCG"
    held = [window[:180] + strand(word) + window[187:] for window in windows(30, seed=4)]
    right = shares(partial(reads(word).importance, column=1), held, "Reb1")
    wrong = shares(partial(reads(word).importance, column=0), held, "Reb1")
    assert right["top"] > 0.8 > 0.2 > wrong["top"]


def test_gapped_words_are_looked_into_as_networks_are(chapter, tmp_path):
    shown, shared = (chapter.runs[f"{name}-gapped"] for name in ("mutagenesis", "motifs"))
    assert shown.needs() == shared.needs() == [chapter.runs["gapped-chromosomes"]]
    found = shown.compute(tmp_path).metrics["motifs"]["CTCF"]
    assert found["inside"] > found["beside"]
    table = pd.read_csv(tmp_path / "importance.csv")
    assert set(table.motif) == {"CTCF", "Reb1"}
    assert shared.compute(tmp_path).metrics["motifs"]["CTCF"]["windows"] > 10


# ---- differences between trainings


def predicted(labels, noise, seed):
    rng = np.random.default_rng(seed)
    places = pd.MultiIndex.from_arrays([["chr1"] * len(labels), np.arange(len(labels)) * 2_000])
    values = (labels == 1) + rng.normal(0, noise, labels.shape)
    names = [feature.name for feature in FEATURES]
    return Predictions(*(pd.DataFrame(each, places, names) for each in (labels, 1 / (1 + np.exp(-values)))))


def test_differences_are_those_of_scikit_learns_areas_on_the_rows_that_both_have():
    labels = (np.random.default_rng(0).random((600, 3)) < 0.3).astype(np.int8)
    labels[:100, 2] = -1
    one, other = predicted(labels, 2.0, 1), predicted(labels, 0.5, 2)
    fewer = Predictions(*(each[50:] for each in other))
    found = {(each.kind, each.measure): each for each in differences(one, fewer, FEATURES, 1)}
    known = labels[50:, 2] >= 0
    areas = [roc_auc_score(labels[50:, 2][known], each.probabilities.iloc[50:, 2][known]) for each in (one, other)]
    dnase = found["DNase", "auroc"]
    assert dnase.value == pytest.approx(areas[1] - areas[0], abs=1e-5)
    assert np.percentile(dnase.resampled, 2.5) < dnase.value < np.percentile(dnase.resampled, 97.5)
    assert np.percentile(dnase.resampled, 2.5) > 0
    assert found["TF", "auroc"].features == 2


def test_predictions_are_compared_by_the_names_of_their_features(tmp_path):
    labels = (np.random.default_rng(0).random((600, 3)) < 0.3).astype(np.int8)
    one, other = predicted(labels, 2.0, 1), predicted(labels, 0.5, 2)
    expected = list(differences(one, other, FEATURES, 1))
    turned = Predictions(*(each[each.columns[::-1]] for each in other))
    chromosome, start = (other.labels.index.get_level_values(level).to_numpy() for level in (0, 1))
    arrays = {"chromosome": chromosome.astype(str), "start": start, "features": turned.labels.columns.to_numpy(str)}
    np.savez(tmp_path / "predictions.npz", **arrays, labels=turned.labels, probabilities=turned.probabilities)
    for same, each in zip(expected, differences(one, read(tmp_path), FEATURES, 1), strict=True):
        assert each[:4] == same[:4]
        assert np.array_equal(each.resampled, same.resampled)
    lacks = Predictions(*(each[[FEATURES[2].name, FEATURES[0].name]] for each in other))
    assert {each.kind: each.features for each in differences(one, lacks, FEATURES, 1)} == {"DNase": 1, "TF": 1}


def test_a_training_does_not_differ_from_itself():
    labels = (np.random.default_rng(0).random((600, 3)) < 0.3).astype(np.int8)
    one = predicted(labels, 1.0, 1)
    assert all(each.value == 0 and (each.resampled == 0).all() for each in differences(one, one, FEATURES, 1))


def test_an_interval_holds_those_of_rows_and_of_seeds():
    def repeat(value):
        return [Difference("TF", "auroc", 2, value, np.linspace(value - 0.1, value + 0.1, 41))]

    one = summary_of_differences([repeat(0.2)])["TF"]
    assert one["auroc_interval"] == one["auroc_rows_interval"] == pytest.approx([0.105, 0.295])
    assert "auroc_seeds_interval" not in one
    three = summary_of_differences([repeat(0.1), repeat(0.2), repeat(0.3)])["TF"]
    assert three["auroc"] == pytest.approx(0.2)
    half = 4.3027 * 0.1 / np.sqrt(3)
    assert three["auroc_seeds_interval"] == pytest.approx([0.2 - half, 0.2 + half], abs=1e-4)
    assert three["auroc_interval"] == three["auroc_seeds_interval"]


def test_repeats_are_paired_with_their_own_seed():
    changes = {"repeats": 3}
    runs = open_chapter("05_chromatin", settings("05_chromatin", "smoke", changes)).runs
    pairs = {name: [(a.name, b.name) for a, b in pairs] for name, pairs in runs["comparisons"].pairs().items()}
    assert pairs["tokens-1024"] == [(f"none-256{end}", f"none-1024{end}") for end in ("", "-repeat-2", "-repeat-3")]
    assert pairs["bases-2000"] == [("none-256-chromosomes", "none-1024-2000bp-chromosomes")]
    assert all(pairs.values())


def test_networks_are_measured_over_simple_methods_of_their_own_split():
    run = open_chapter("05_chromatin", settings("05_chromatin", "smoke", {})).runs[control_results.OVER_SIMPLE]
    names = ["none-256-chromosomes", "nuclear-256-chromosomes", "cnn-chromosomes", "danq-chromosomes"]
    assert [network.name for network in run.networks] == names
    assert {each.split for each in run.needs()} == {"chromosomes"}
    assert {each.window for each in run.needs()} == {1_000}
    assert run.gapped.inputs() == run.simple.inputs(), "they predict the same rows"


def test_what_a_method_is_worth_over_another_is_the_difference_of_their_areas():
    done = finished.recorded("05_chromatin")
    methods = done["simple-chromosomes"].metrics["methods"] | done["gapped-chromosomes"].metrics["methods"]
    compared = control_results.compared_with_simple(done)
    assert len(compared) == 5
    for name, others in compared.items():
        one = methods[name] if name == BEST else done[name].metrics["test"]
        assert list(others) == [each for each in ("GC content", "6-mers", BEST) if each != name]
        for other, kinds in others.items():
            for kind, found in kinds.items():
                apart = one["kinds"][kind]["auroc_mean"] - methods[other]["kinds"][kind]["auroc_mean"]
                assert found["auroc"] == pytest.approx(apart, abs=1e-6)
                low, high = found["auroc_interval"]
                assert low <= found["auroc"] <= high


def test_the_page_says_what_gapped_words_are_worth_over_simpler_methods():
    done = finished.recorded("05_chromatin")
    kinds = control_results.compared_with_simple(done)[BEST]["6-mers"]
    text = takeaways.best_simple(done)
    assert f"6-mers is {takeaways.by_kind(kinds, 'auroc')}" in text
    assert takeaways.best_simple(Finished("", "", {})) != text
    assert control_results.over_simple_methods(done).index[0] == (BEST, "GC content")


# ---- what the page says of recorded runs


def test_the_area_of_answers_at_half_cannot_be_what_most_rows_of_the_thesis_print():
    rows = training_results.thresholded_reach()
    assert len(rows) == 5
    assert (rows["printed"] > rows["most"]).tolist() == [True, True, False, True, True]
    assert (rows["most"] >= rows["expected"]).all()
    assert rows.loc["Untrained, 256", "expected"] == pytest.approx(0.6251, abs=0.003)


def test_rank_correlations_with_published_areas_have_intervals():
    scores = feature_results.published_scores(finished.recorded("05_chromatin"))
    found = feature_results.ranks(scores)
    assert len(found) == 4
    for method, each in found.items():
        own = scores[scores["method"] == method]
        assert each.value == pytest.approx(spearmanr(own["auroc"], own["published"]).statistic)
        assert -1 < each.low < each.value < each.high < 1


def test_a_rank_correlation_of_few_or_perfectly_ordered_features_has_an_interval_or_none():
    def ranked(*areas):
        return pd.DataFrame({"method": "m", "auroc": areas, "published": np.arange(len(areas)) / 10})

    few = feature_results.ranks(ranked(0.5, 0.7, 0.6))["m"]
    assert few.value == pytest.approx(0.5)
    assert np.isnan([few.low, few.high]).all()
    assert "m +0.50 (too few features" in feature_results.ranks_in_words(ranked(0.5, 0.7, 0.6))
    for areas, value in (([0.5, 0.6, 0.7, 0.8], 1), ([0.8, 0.7, 0.6, 0.5], -1)):
        perfect = feature_results.ranks(ranked(*areas))["m"]
        assert perfect.value == pytest.approx(value)
        assert -1 <= perfect.low <= perfect.high <= 1


def test_a_table_of_differences_says_its_resamples():
    done = finished.recorded("05_chromatin")
    for name in ("comparisons", control_results.OVER_SIMPLE):
        assert control_results.resamples(done, name) == f"{comparisons.RESAMPLES:,}"
    assert control_results.resamples(Finished("", "", {}), "comparisons") == "–"


def test_the_line_below_a_table_names_the_runs_that_are_in_it():
    done = finished.recorded("05_chromatin")
    networks = control_results.of_networks(done)
    assert len(control_results.networks(done)) == len(networks)
    assert not {"none-512", "none-256-weight-1", "none-256-repeat-2", "none-1024-2000bp-chromosomes"} & set(networks)
    lengths = control_results.of_lengths(done)
    assert control_results.lengths(done)["seeds"].sum() == len(lengths)
    assert not {"none-256-apart", "none-256-weight-1"} & set(lengths)
    assert len(control_results.strands(done)) == len(control_results.of_strands(done))
    over = control_results.of_over_simple_methods(done)
    assert set(control_results.compared_with_simple(done)) - {BEST} < set(over)
    assert control_results.over_simple_methods(over).equals(control_results.over_simple_methods(done))
    assert "seed 1, 2, 3" in training_results.trained_as(done, network="longformer").provenance


def test_wider_windows_are_told_by_both_measures():
    done = finished.recorded("05_chromatin")
    pairs = done["comparisons"].metrics["pairs"]
    kinds = [each for name in takeaways.wider(done) for each in pairs[name]["kinds"].values()]
    rises = sum(each["auroc_interval"][0] > 0 for each in kinds)
    falls = sum(each["auprc_interval"][1] < 0 for each in kinds)
    text = takeaways.context(done)
    assert f"Of {len(kinds)} differences" in text
    assert f"mean AUROC is higher with the wider window in {rises} and lower in 0" in text
    assert f"mean AUPRC is higher in 0 and lower in {falls}" in text
    assert "10 of DNase" in text


def test_the_split_without_neighbours_is_told_with_its_training_rows():
    done = finished.recorded("05_chromatin")
    text = takeaways.apart(done)
    for split in ("random", "apart", "chromosomes"):
        assert f"{done[f'simple-{split}'].record['samples']['train']:,}" in text
    histone = done["simple-apart"].metrics["methods"]["nearest bins"]["kinds"]["histone"]
    assert f"{histone['auroc_mean']:.3f}" in text
    assert histone["auroc_interval"][0] > 0.6, "far from chance"


def test_the_networks_stand_one_by_one_below_the_highest_mean_and_beside_what_is_above_them():
    done = finished.recorded("05_chromatin")
    lines = takeaways.takeaways(done).splitlines()
    first = next(n for n, line in enumerate(lines) if "no network has the highest mean" in line)
    most = done["gapped-chromosomes"].metrics["methods"][BEST]["kinds"]
    for name in (*takeaways.NETWORK_NAMES, *takeaways.LONGFORMERS):
        run = done[name]
        kinds = [run.metrics["test"]["kinds"][kind]["auroc_mean"] for kind in ("DNase", "TF", "histone")]
        assert f"    * {control_results.network(run)}: " + " / ".join(f"{each:.3f}" for each in kinds) in lines[first:]
        assert all(each < most[kind]["auroc_mean"] for each, kind in zip(kinds, most, strict=True))
        assert f"{run.samples_seen:,} samples each" in lines[first]
    below = next(line for line in lines if line.startswith("    * Below GC content"))
    over = control_results.compared_with_simple(done)
    lower = [
        name for name, others in over.items() if name != BEST and others["GC content"]["TF"]["auroc_interval"][1] < 0
    ]
    assert lower
    for name in over.keys() - {BEST}:
        assert (control_results.network(done[name]) in below) == (name in lower)


def made_up(done, name, folder, change):
    """The same finished runs with other metrics of one."""
    metrics = json.loads((done[name].folder / "metrics.json").read_text())
    change(metrics)
    shutil.copytree(done[name].folder, folder / name)
    (folder / name / "metrics.json").write_text(json.dumps(metrics))
    return Finished(done.label, done.profile, done.folders | {name: folder / name})


def test_a_network_with_the_highest_mean_is_named(tmp_path):
    done = finished.recorded("05_chromatin")
    better = made_up(
        done, "danq-chromosomes", tmp_path, lambda found: found["test"]["kinds"]["TF"].update(auroc_mean=0.9)
    )
    text = takeaways.takeaways(better)
    assert "held out, the highest mean is that of DanQ for TF.**" in text
    assert "no network has the highest mean" not in text


def test_the_weight_of_positives_is_told_by_how_many_intervals_hold_zero(tmp_path):
    done = finished.recorded("05_chromatin")
    kinds = done["comparisons"].metrics["pairs"]["weight-1"]["kinds"].values()
    ends = [each[f"{measure}_interval"] for each in kinds for measure in ("auroc", "auprc")]
    held = sum(low <= 0 <= high for low, high in ends)
    assert 0 < held < len(ends)
    assert f"of {len(ends)} differences (each measure and kind of feature) the intervals of {held} hold" in (
        takeaways.weight(done)
    )

    def decide(metrics):
        for each in metrics["pairs"]["weight-1"]["kinds"].values():
            each.update(auroc_interval=[0.1, 0.3], auprc_interval=[-0.3, -0.1])

    assert "the intervals of 0 hold zero" in takeaways.weight(made_up(done, "comparisons", tmp_path, decide))


def test_the_longformer_s_own_difference_without_neighbours_is_told():
    done = finished.recorded("05_chromatin")
    pair = done["comparisons"].metrics["pairs"]["without-neighbours"]
    position = takeaways.takeaways(done).splitlines()[0]
    assert all(takeaways.by_kind(pair["kinds"], measure) in position for measure in ("auroc", "auprc"))
    without = done.only(lambda run: run.name != "comparisons")
    assert "Longformer" not in takeaways.takeaways(without).splitlines()[0]


def test_a_motif_is_told_with_what_is_possible_and_what_chance_gives():
    done = finished.recorded("05_chromatin")
    found = done["motifs-gapped"].metrics["motifs"]["CTCF"]
    told = f"CTCF {found['top']:.0%} (possible {found['with_motif']:.0%}, shuffled {found['shuffled']['top']:.0%})"
    assert told in takeaways.takeaways(done)


def test_encoders_that_are_not_chapter_2s_recorded_runs_are_named():
    chapter_2, done = finished.recorded("02_pretraining"), finished.recorded("05_chromatin")
    text = training_results.encoders(done, chapter_2)
    for run in done.values():
        pretrained = run.value("record.pretrained")
        if pretrained and pretrained["key"]:
            same = chapter_2[pretrained["name"]].record["key"] == pretrained["key"]
            assert same or pretrained["key"] in text
    assert "not the recorded runs" not in training_results.encoders(chapter_2, chapter_2)
