"""Splits, scores and simple methods of chapter 5, on the simulated genome and against references."""

from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score, roc_auc_score

from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.chromatin import gapped, measuring, organisms, profiles, scores, splits
from dnakit.chapters.chromatin import simple_methods as simple
from dnakit.chapters.chromatin.parameters import GC, SPLITS
from dnakit.data import bases
from dnakit.data.peaks import Feature
from dnakit.notebooks.parameters import settings as notebook_settings
from dnakit.project import DnakitError


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAKIT_DATA", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="module")
def simulated(store):
    return profiles.prepare(organisms.organism("simulated"), 1_000)


def parts(found, how, seed=1):
    chosen = organisms.organism("simulated")
    return splits.split(how, found.chromosomes, found.starts, chosen.validation, chosen.test, seed)


def fitting(found, how):
    """The parts, and the training rows that are fitted while validation chooses."""
    chosen = parts(found, how)
    return chosen | {"choosing": splits.choosing(how, found.chromosomes, found.starts, chosen)}


# ---- rows


def test_rows_hold_the_window_around_their_bin(simulated):
    from dnakit.data import sources
    from dnakit.data.formats import read_fasta

    genome = {record.name: record.sequence for record in read_fasta(sources.fetch("simulated-chromatin"))}
    rows = np.arange(0, len(simulated), 37)
    for row, window in zip(rows, simulated.sequences(rows), strict=True):
        start = simulated.starts[row] - 400
        assert window == genome[simulated.chromosomes[row]][start : start + 1_000]


def test_wider_windows_hold_the_narrower_ones(simulated):
    wide = profiles.prepare(organisms.organism("simulated"), 2_000)
    places = {place: row for row, place in enumerate(zip(simulated.chromosomes, simulated.starts, strict=True))}
    rows = np.array([places[place] for place in zip(wide.chromosomes, wide.starts, strict=True)])
    assert [each[500:1_500] for each in wide.sequences(np.arange(len(wide)))] == simulated.sequences(rows)
    assert np.array_equal(wide.labels, simulated.labels[rows])


def test_deepseas_files_hold_the_same_rows_as_the_peaks_they_were_made_of(simulated):
    found = profiles.prepare(organisms.organism("simulated-deepsea"), 1_000)
    assert found.sequences(np.arange(len(found))) == simulated.sequences(np.arange(len(simulated)))
    assert np.array_equal(found.labels[:, [0, 1, 125, 126, 127, 128, 815, 816]], simulated.labels)
    same = simulated.chromosomes[1:] == simulated.chromosomes[:-1]
    step = np.diff(simulated.starts)
    in_train = np.char.startswith(found.chromosomes[1:].astype(str), "train")
    inside = (found.chromosomes[1:] == found.chromosomes[:-1]) & in_train
    assert (np.diff(found.starts)[inside] == step[inside]).all()
    assert (same & (step < 1_000))[inside].all()


def test_each_held_out_row_of_deepseas_has_a_place_of_its_own(simulated):
    """Rows are compared by their places, and blocks are drawn by them: rows that are not neighbours share none."""
    found = profiles.prepare(organisms.organism("simulated-deepsea"), 1_000)
    places = pd.MultiIndex.from_arrays([found.chromosomes, found.starts])
    assert not places.has_duplicates
    blocks = scores.blocks_of(found.chromosomes, found.starts)
    for part in ("valid", "test"):
        rows = np.flatnonzero(found.chromosomes == part)
        step = np.diff(simulated.starts[rows])
        beside = step < 1_000
        assert (np.diff(found.starts[rows])[beside] == step[beside]).all()
        assert (np.diff(blocks[rows])[~beside] != 0).all()
        assert 0 < beside.mean() < 1


def test_the_first_rows_of_the_training_file_are_taken(store):
    chosen = organisms.organism("simulated-deepsea")
    found, whole = profiles.prepare(chosen, 1_000, rows=50), profiles.prepare(chosen, 1_000)
    held = np.isin(whole.chromosomes, ["valid", "test"]).sum()
    assert len(found) == 50 + held
    assert np.array_equal(found.labels[:50], whole.labels[:50])


def test_a_window_fits_an_input_with_its_frame():
    assert measuring._summary([254, 255, 100, 600])["fit 256"] == 0.5


# ---- splits


@pytest.mark.parametrize("how", SPLITS)
def test_parts_are_disjoint(simulated, how):
    found = parts(simulated, how)
    rows = np.concatenate(list(found.values()))
    assert len(set(rows.tolist())) == len(rows)
    assert all(len(each) for each in found.values())


def test_a_random_split_takes_every_row_in_the_thesiss_shares(simulated):
    found = parts(simulated, "random")
    assert sum(map(len, found.values())) == len(simulated)
    assert len(found["test"]) / len(simulated) == pytest.approx(0.10, abs=0.01)
    assert len(found["validation"]) / len(simulated) == pytest.approx(0.09, abs=0.01)


def test_apart_keeps_the_test_rows_and_no_training_input_shares_a_base_with_one(simulated):
    found = parts(simulated, "apart")
    assert np.array_equal(found["test"], parts(simulated, "random")["test"])
    for part in ("train", "validation"):
        for row in found[part]:
            on = simulated.chromosomes[found["test"]] == simulated.chromosomes[row]
            distance = np.abs(simulated.starts[found["test"]][on] - simulated.starts[row])
            assert distance.min(initial=10_000) > 1_000


def test_held_out_chromosomes_are_in_no_other_part(simulated):
    found = parts(simulated, "chromosomes")
    on = {part: set(simulated.chromosomes[rows]) for part, rows in found.items()}
    assert on == {"train": {"simP1", "simP2"}, "validation": {"simP3"}, "test": {"simP4"}}


def test_a_split_without_test_rows_is_one_line(simulated):
    with pytest.raises(DnakitError, match="leaves no rows for test"):
        splits.split("chromosomes", simulated.chromosomes, simulated.starts, ["simP3"], ["chrX"], 1)


def test_published_parts_take_no_part_in_a_random_split(store):
    found = profiles.prepare(organisms.organism("simulated-deepsea"), 1_000)
    places = found.chromosomes, found.starts
    chosen = splits.split("random", *places, ["valid"], ["test"], 1, reserved=True)
    assert not set(found.chromosomes[np.concatenate(list(chosen.values()))]) & {"valid", "test"}


# ---- scores


@settings(max_examples=60)
@given(st.data())
def test_areas_are_scikit_learns_with_samples_repeated(data):
    count = data.draw(st.integers(2, 30))
    truth = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    values = np.array(data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)), float)
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    auroc, auprc = scores.resampled_areas(truth, values, np.arange(count), weights[None])[:, 0]
    repeated = np.repeat(truth, weights), np.repeat(values, weights)
    if 0 < repeated[0].sum() < len(repeated[0]):
        assert auroc == pytest.approx(roc_auc_score(*repeated))
        assert auprc == pytest.approx(average_precision_score(*repeated))
    else:
        assert np.isnan(auroc)


def test_a_resample_counts_every_row_of_a_block_as_often_as_the_block():
    rng = np.random.default_rng(0)
    truth, values, blocks = rng.random(200) < 0.3, rng.integers(9, size=200).astype(float), rng.integers(5, size=200)
    times = scores.drawn(blocks, 1, 7)
    assert times.shape == (7, 5)
    assert (times.sum(1) == 5).all()
    found = scores.resampled_areas(truth, values, blocks, times)
    for resample, (auroc, auprc) in zip(times[:, blocks].astype(int), found.T, strict=True):
        repeated = np.repeat(truth, resample), np.repeat(values, resample)
        assert auroc == pytest.approx(roc_auc_score(*repeated))
        assert auprc == pytest.approx(average_precision_score(*repeated))


def test_more_resamples_begin_with_the_fewer_and_a_large_test_set_gets_fewer():
    blocks = np.arange(60) // 6
    assert np.array_equal(scores.drawn(blocks, 1, 50)[:20], scores.drawn(blocks, 1, 20))
    assert len(scores.drawn(np.zeros(scores.DRAWN // 150, int), 1, 200)) == 150


def test_unknown_labels_count_nowhere():
    rng = np.random.default_rng(0)
    features = [Feature("a", "TF"), Feature("b", "DNase")]
    labels, predicted = rng.integers(2, size=(60, 2)).astype(np.int8), rng.random((60, 2))
    labels[:20, 0] = -1
    table = scores.by_feature(labels, predicted, features)
    assert table.labels.tolist() == [40, 60]
    assert table.auroc[0] == pytest.approx(roc_auc_score(labels[20:, 0], predicted[20:, 0]))
    changed = predicted.copy()
    changed[:20, 0] = rng.random(20)
    blocks = np.arange(60) // 6
    assert (
        scores.evaluate(labels, predicted, features, blocks, 1)[1]
        == scores.evaluate(labels, changed, features, blocks, 1)[1]
    )


def test_what_is_undefined_is_nan_and_counts_in_no_mean():
    labels = np.zeros((30, 2), np.int8)
    labels[:15, 1] = 1
    table = scores.by_feature(labels, np.random.default_rng(0).random((30, 2)), [Feature(n, "TF") for n in "ab"])
    assert np.isnan(table.auroc[0])
    assert scores.by_kind(table)["TF"]["features"] == 1


def test_a_feature_of_ten_positives_counts_in_the_mean_of_its_kind_and_one_of_nine_does_not():
    labels = (np.arange(40)[:, None] < [9, 10]).astype(np.int8)
    table = scores.by_feature(labels, np.random.default_rng(0).random((40, 2)), [Feature(n, "TF") for n in "ab"])
    assert scores.by_kind(table)["TF"] == pytest.approx(
        {"features": 1} | {f"{name}_{how}": table[name][1] for name in ("auroc", "auprc") for how in ("mean", "median")}
    )


def test_a_block_is_100_kb_of_one_chromosome():
    starts = np.array([0, 99_999, 0, 100_000])
    assert scores.blocks_of(np.array(["1", "1", "2", "1"]), starts).tolist() == [0, 0, 1, 2]


def test_intervals_hold_the_mean():
    rng = np.random.default_rng(0)
    labels = (rng.random((2_000, 5)) < 0.2).astype(np.int8)
    predicted = labels + rng.normal(0, 1.5, labels.shape)
    table, found = scores.evaluate(
        labels, predicted, [Feature(str(n), "TF") for n in range(5)], np.arange(2_000) // 20, 1
    )
    low, high = found["kinds"]["TF"]["auroc_interval"]
    assert low < table.auroc.mean() < high
    assert high - low < 0.05


def test_auc_of_answers_is_the_mean_of_recall_and_specificity():
    """With the recall and precision of Table 5.4's untrained row it is near the "AUC all" printed there."""
    positives, recall, precision = 0.0206, 0.2730, 0.1785
    wrong = recall * positives * (1 - precision) / precision
    assert (recall + 1 - wrong / (1 - positives)) / 2 == pytest.approx(0.6251, abs=0.003)
    labels = (np.random.default_rng(0).random((200, 3)) < 0.3).astype(np.int8)
    predicted = np.random.default_rng(1).random((200, 3))
    found = scores.flattened(labels, predicted)
    answers = predicted > 0.5
    specificity = (~answers[labels == 0]).mean()
    assert found["auc_thresholded"] == pytest.approx((found["recall"] + specificity) / 2)


def test_thresholds_go_from_all_to_few_and_calibration_counts_every_label():
    rng = np.random.default_rng(0)
    predicted = rng.random((300, 2)) ** 3
    labels = (rng.random(predicted.shape) < predicted).astype(np.int8)
    table = scores.thresholds(labels, predicted)
    assert table.labels.sum() == labels.size
    assert table.recall.iloc[0] == 1
    assert table.precision.iloc[0] == pytest.approx(labels.mean())
    assert table.recall.is_monotonic_decreasing
    full = table.labels > 30
    assert (table["share positive"] - table["mean probability"])[full].abs().max() < 0.25


# ---- simple methods


@given(st.binary(min_size=8, max_size=60).map(lambda raw: bytes(b"ACGTN"[each % 5] for each in raw)))
def test_counts_of_kmers_are_those_of_the_other_strand(sequence):
    counts = simple.kmer_counts([sequence, bases.reverse_complement(sequence)])
    assert np.array_equal(*counts)
    words = (sequence[at : at + 6] for at in range(len(sequence) - 5))
    assert counts[0].sum() == sum(b"N" not in word for word in words)


def test_there_are_2080_kinds_of_6_mers():
    assert simple.kmer_counts([b"ACGTACGT"]).shape == (1, 2_080)


@given(st.binary(min_size=9, max_size=40).map(lambda raw: bytes(b"ACGTN"[each % 5] for each in raw)))
@settings(max_examples=40)
def test_counts_of_gapped_words_are_those_of_the_other_strand_and_of_counting_by_hand(sequence):
    counts = gapped.counts([sequence, bases.reverse_complement(sequence)])
    assert np.array_equal(*counts)
    expected = Counter()
    for word in (sequence[at : at + 7] for at in range(len(sequence) - 6)):
        for gaps in combinations(range(7), 2) if b"N" not in word else ():
            masked = bytes(letter if place not in gaps else ord("N") for place, letter in enumerate(word))
            expected[min(masked, bases.reverse_complement(masked))] += 1
    assert sorted(counts[0][counts[0] > 0].tolist()) == sorted(expected.values())
    assert counts.shape[1] == 12 * 1_024 - 3 * 512


def test_logistic_regression_is_scikit_learns_on_the_known_labels():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 4)).astype(np.float32)
    truth = inputs @ rng.normal(size=(4, 2)) + rng.logistic(size=(300, 2)) > 1
    labels = truth.astype(np.int8)
    labels[:120, 1] = -1
    weights = torch.zeros(5, 2)
    for _ in range(4):
        weights = gapped.fitted(torch.from_numpy(inputs), torch.from_numpy(labels), weights, 0.01)
    for column, known in enumerate((slice(None), slice(120, None))):
        rows = inputs[known]
        model = LogisticRegression(C=1 / (0.01 * len(rows)), tol=1e-8).fit(rows, truth[known, column])
        assert weights[:-1, column].numpy() == pytest.approx(model.coef_[0], abs=1e-3)
        assert weights[-1, column].item() == pytest.approx(model.intercept_[0], abs=1e-3)


def test_gapped_words_find_planted_motifs_on_a_chromosome_they_have_not_seen(simulated, tmp_path):
    found = fitting(simulated, "chromosomes")
    predicted = gapped.predict(simulated, tmp_path, found)
    table = scores.by_feature(simulated.labels[found["test"]], predicted, simulated.features)
    assert table[table.kind == "TF"].auroc.mean() > 0.55
    model = gapped.GappedModel.load(tmp_path)
    logits = model.logits(simulated.sequences(found["test"]))
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(predicted, abs=1e-4), "the kept weights are those of the scores"


def test_where_validation_cannot_choose_the_strongest_penalty_is_taken(simulated, tmp_path):
    labels = np.array([[1, 1, -1], [1, 0, 0], [1, -1, 1]], np.int8)
    assert scores.mean_auroc(labels, -np.arange(9).reshape(3, 3)) == 0.5, "1 and 0, of the two that have both classes"
    assert scores.mean_auroc(labels[:, :1], np.zeros((3, 1))) == 0
    rows = np.arange(60)
    one = SimpleNamespace(labels=(rows[:, None] % 2).astype(np.int8), sequences=simulated.sequences)
    of_parts = {"choosing": rows[:40], "train": rows[:40], "validation": rows[40::2], "test": rows[50:]}
    predicted = gapped.predict(one, tmp_path, of_parts)
    assert predicted.shape == (10, 1)
    assert np.isfinite(predicted).all()


def test_weights_that_were_not_kept_are_one_line(tmp_path):
    with pytest.raises(DnakitError, match=r"has no weights\.npz: delete its folder"):
        gapped.GappedModel.load(tmp_path)


def test_the_nearest_bins_know_labels_that_only_depend_on_position(simulated):
    found = fitting(simulated, "random")
    near = simple.predict(simple.nearest_bins, simulated, found)
    far = simple.predict(simple.nearest_bins, simulated, fitting(simulated, "chromosomes"))
    mark = next(n for n, feature in enumerate(simulated.features) if feature.name == "cell1.H3K36me3")
    truth = simulated.labels[found["test"], mark]
    assert roc_auc_score(truth, near[:, mark]) > 0.9
    train = simulated.labels[parts(simulated, "chromosomes")["train"]]
    share = (train[:, mark] == 1).sum() / (train[:, mark] >= 0).sum()
    assert far[:, mark] == pytest.approx(share), "nothing is known of a chromosome without training bins"


def test_the_share_of_g_and_c_is_that_among_known_bases():
    assert simple.gc_content([b"GGNN", b"ACGT", b"NNNN"]).tolist() == [[1, 1], [0.5, 0.25], [0, 0]]


def test_the_penalty_of_a_regression_is_the_one_that_validation_likes_best(monkeypatch):
    """A difference of two inputs that are nearly alike decides: a strong penalty hides it."""
    rng = np.random.default_rng(0)
    common, apart = rng.normal(size=(2, 3_000))
    inputs = np.stack([common + 0.3 * apart, common], axis=1)
    one = SimpleNamespace(labels=(apart[:, None] > 0).astype(np.int8))
    train, validation, rows = np.split(np.arange(3_000), [2_000, 2_500])
    task = simple.Task(np.array([0]), train, train, validation, rows)
    chosen, alone = simple.Linear(inputs)(one, task), {}
    for penalty in simple.PENALTIES:
        monkeypatch.setattr(simple, "PENALTIES", (penalty,))
        alone[penalty] = simple.Linear(inputs)(one, task)
    areas = {penalty: roc_auc_score(one.labels[task.rows], each) for penalty, each in alone.items()}
    assert areas[1e3] > areas[1e5] + 0.05
    assert np.array_equal(chosen, alone[1e3])


@pytest.mark.parametrize("how", SPLITS)
def test_where_test_rows_have_no_neighbours_validation_has_none_while_it_chooses(simulated, how):
    """Else a weak penalty, which copies neighbours, would look good; the other splits choose as they test."""
    found = fitting(simulated, how)
    kept, places = found["choosing"], splits.positions(simulated.chromosomes, simulated.starts)
    assert set(kept) <= set(found["train"])
    nearest = np.abs(places[kept][:, None] - places[found["validation"]]).min(1)
    beside = np.abs(places[found["train"]][:, None] - places[found["validation"]]).min(1) <= splits.NEAR
    assert (len(kept) < len(found["train"])) == (how == "apart") or not beside.any()
    if how == "apart":
        assert 0 < len(kept) == (~beside).sum()
        assert nearest.min() > splits.NEAR


def test_the_penalty_is_chosen_on_the_choosing_rows_and_all_training_rows_are_fitted():
    """Where the labels of the choosing rows are wrong, the penalty that learns least of them is the best."""
    rng = np.random.default_rng(0)
    common, apart = rng.normal(size=(2, 3_000))
    inputs = np.stack([common + 0.3 * apart, common], axis=1)
    labels = (apart[:, None] > 0).astype(np.int8)
    labels[:200] = 1 - labels[:200]
    train, validation, rows = np.split(np.arange(3_000), [2_000, 2_500])
    task = simple.Task(np.array([0]), train[:200], train, validation, rows)
    method = simple.Linear(inputs)
    found = method(SimpleNamespace(labels=labels), task)
    strongest = Ridge(alpha=max(simple.PENALTIES)).fit(inputs[train], labels[train, 0])
    assert np.corrcoef(found[:, 0], strongest.predict(inputs[rows]))[0, 1] > 0.999
    weakest = method(SimpleNamespace(labels=labels), task._replace(choosing=train))
    assert np.corrcoef(found[:, 0], weakest[:, 0])[0, 1] < 0.95


def test_6_mers_find_planted_motifs_on_a_chromosome_they_have_not_seen(simulated):
    found = fitting(simulated, "chromosomes")
    method = simple.Linear(simple.kmer_counts(simulated.sequences(np.arange(len(simulated)))))
    predicted = simple.predict(method, simulated, found)
    table = scores.by_feature(simulated.labels[found["test"]], predicted, simulated.features)
    assert table[table.kind == "TF"].auroc.mean() > 0.6


def test_a_feature_is_learned_from_the_rows_where_it_is_labelled(simulated):
    labels = np.zeros((6, 3), np.int8)
    labels[:3, 1] = -1
    train = np.array([0, 1, 3, 4])
    chosen = {"choosing": train, "train": train, "validation": np.array([2, 5]), "test": np.array([5])}
    found = {tuple(task.columns): task.train.tolist() for task in simple.tasks(labels, chosen)}
    assert found == {(1,): [3, 4], (0, 2): [0, 1, 3, 4]}


# ---- parameters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"organism": "humen-slices"}, "did you mean 'human-slices'"),
        ({"genome": ["my.fa"]}, "'genome' and 'peaks' belong together"),
        ({"features": "my.tsv"}, "'features' describes your own peaks"),
        ({"genome": ["my.fa"], "peaks": "my.bed"}, "name at least one chromosome"),
        ({"organism": "simulated-deepsea"}, "windows of 1,000 bp alone"),
    ],
)
def test_parameters_that_do_not_fit_are_one_line(changes, message):
    with pytest.raises(DnakitError, match=message):
        open_chapter("05_chromatin", notebook_settings("05_chromatin", "smoke", changes))


def own_data(folder, peaks):
    rng = np.random.default_rng(0)
    chromosomes = {f"chr{n}": "".join(rng.choice(list("ACGT"), 30_000)) for n in (1, 2, 3)}
    (folder / "my.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in chromosomes.items()))
    (folder / "peaks").mkdir()
    for name, text in peaks.items():
        (folder / "peaks" / name).write_text(text)
    changes = {"genome": [str(folder / "my.fa")], "peaks": str(folder / "peaks")}
    changes |= {"validation_chromosomes": ["chr2"], "test_chromosomes": ["chr3"], "wide_windows": []}
    if "features.tsv" in peaks:
        changes["features"] = str(folder / "peaks" / "features.tsv")
    return open_chapter("05_chromatin", notebook_settings("05_chromatin", "smoke", changes))


def test_a_users_own_peaks_are_learned(tmp_path, store):
    lines = "".join(f"{c}\t{at}\t{at + 300}\n" for c in (1, 2, 3) for at in range(1_000, 29_000, 1_500)) + "Y\t1\t9\n"
    others = "".join(f"{c}\t{at}\t{at + 200}\n" for c in (1, 2, 3) for at in range(2_000, 29_000, 2_500))
    table = "feature\tkind\tunlabelled\nA\tTF\t\nB\thistone\tchr1\n"
    files = {"A.bed": f"track name=a\n{lines}", "B.narrowPeak": others, "features.tsv": table}
    outcome = own_data(tmp_path, files).runs["simple-chromosomes"].compute(tmp_path)
    assert set(outcome.metrics["methods"]["6-mers"]["kinds"]) <= {"TF", "histone"}
    assert set(outcome.metrics["methods"]) == {simple.NEAREST, GC, simple.KMERS}
    assert outcome.record["simulated"] is False
    assert outcome.record["chromosomes"] == "'chr' added to the peaks' chromosomes"
    assert outcome.record["left_out"].startswith("peaks on chromosomes that the genome lacks, such as 'chrY': 1 of ")
    assert str(tmp_path) not in str(outcome.record)


def test_peaks_of_another_assembly_are_refused_before_anything_is_written(tmp_path, store):
    chapter = own_data(tmp_path, {"A.bed": "chr1\t5\t900\nchr1\t29900\t30001\n"})
    with pytest.raises(DnakitError, match="1-based or of another assembly"):
        chapter.runs["simple-random"].compute(tmp_path)
