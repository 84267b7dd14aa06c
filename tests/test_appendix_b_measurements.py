"""Lengths of wrong tokens against a hand count, costs against formulas, and the figures of examples."""

import itertools
import json
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from dnakit.chapters.appendix_b import alignment, costs, examples, lengths, paired, predictions, printed, results
from dnakit.chapters.appendix_b.predictions import MaskedTokens
from dnakit.chapters.chapter import chapter_of
from dnakit.models.build import build
from dnakit.models.operations import operations
from dnakit.report.finished import Finished, recorded
from dnakit.report.style import png
from dnakit.report.thesis import thesis_table
from dnakit.tokens.corpus import prepare
from dnakit.tokens.vocabulary import CLS, MASK, SEP, SPECIAL_TOKENS
from dnakit.tokens.word_frames import given_away, word_frames

# A vocabulary of five special tokens, then tokens of 1, 2, 2, 3 and 4 bases.
LENGTHS = np.array([0, 0, 0, 0, 0, 1, 2, 2, 3, 4])
ONE, TWO, OTHER_TWO, THREE, FOUR = range(5, 10)


@pytest.fixture(scope="module")
def tokens():
    run = chapter_of("06_appendix_b", "smoke").runs["mlm-large-longformer"]
    assert prepare(run.corpus).tokenizer.word_length == 9
    return predictions.masked_test_tokens(run, seed=1)


def test_a_length_is_given_away_where_one_token_of_a_whole_word_is_masked():
    true = np.array([CLS, TWO, TWO, FOUR, ONE, THREE, TWO, OTHER_TWO, ONE, SEP])
    shown = true.copy()
    shown[[1, 3, 4, 5, 8]] = MASK  # one of two tokens; a whole word; both tokens of a word; a cut word
    known, offsets = given_away(shown, true, LENGTHS, 4)
    assert known[[1, 3, 4, 5, 8]].tolist() == [True, True, False, False, False]
    assert offsets[[1, 2, 3, 4, 5, 6]].tolist() == [0, 2, 0, 0, 1, 0]


def test_lengths_are_counted_as_by_hand():
    true = np.array([ONE, TWO, TWO, THREE, FOUR])
    predicted = np.array([ONE, OTHER_TWO, FOUR, TWO, TWO])
    found = lengths.counts(true, predicted, LENGTHS)
    # Wrong: lengths 2, 2, 3, 4 answered by 2, 4, 2, 2. Right length: the first. Shuffled: a true 2 meets a predicted 2
    # at 2 x 3 of 16 pairs, a true 4 a predicted 4 at one: 7 / 16 of four wrong tokens.
    assert found == {"masked": 5, "right": 1, "wrong": 4, "right length": 1, "chance": pytest.approx(4 * 7 / 16)}


def test_the_chance_is_the_mean_over_shuffles():
    rng = np.random.default_rng(3)
    true, predicted = rng.integers(ONE, FOUR + 1, (2, 60))
    wrong = true != predicted
    truth, guess = LENGTHS[true[wrong]], LENGTHS[predicted[wrong]]
    shuffled = np.mean([(truth == rng.permutation(guess)).sum() for _ in range(4000)])
    assert lengths.counts(true, predicted, LENGTHS)["chance"] == pytest.approx(shuffled, rel=0.02)


def test_boundaries_alone_always_have_the_right_length_where_it_is_given_away(tokens):
    predicted = predictions.by_boundaries(tokens)
    table = lengths.table(tokens, predicted).set_index("group")
    known = table.loc[lengths.KNOWN]
    assert known["masked"] > 50
    assert known["right length"] == known["wrong"] > 0
    assert table.loc[lengths.ALL, "masked"] == tokens.masked.sum() == table["masked"].iloc[1:].sum()
    assert (predicted == tokens.shown)[~tokens.changed].all()


def test_boundaries_alone_name_the_commonest_token_of_that_place_in_the_word(tokens):
    """Against a count token by token, along the whole words that each genome is cut into."""
    length = tokens.lengths.tolist()
    seen = Counter(each for ids in tokens.corpus.ids_by_document("train") for each in placed(ids, length))
    anywhere = Counter()
    for (_, token), times in seen.items():
        anywhere[token] += times
    test = [each for ids in tokens.corpus.ids_by_document("test") for each in placed(ids, length)]
    real = tokens.true >= len(SPECIAL_TOKENS)
    assert tokens.true[real].tolist() == [token for _, token in test]
    predicted, known, masked = (
        each[real] for each in (predictions.by_boundaries(tokens), tokens.known_lengths, tokens.masked)
    )
    decides = 0
    for (place, token), named in zip(np.array(test)[known].tolist(), predicted[known].tolist(), strict=True):
        alike = [each for each in anywhere if length[each] == length[token]]
        assert length[named] == length[token]
        assert seen[place, named] == max(seen[place, each] for each in alike)
        decides += anywhere[named] < max(anywhere[each] for each in alike)
    assert decides > 5
    assert set(predicted[masked & ~known]) == {anywhere.most_common(1)[0][0]}


def placed(ids, length):
    """Each token of a genome with its place in the word, counted from the first base."""
    starts = itertools.accumulate((length[each] for each in ids.tolist()), initial=0)
    return [(start % 9, each) for start, each in zip(starts, ids.tolist(), strict=False)]


def test_boundaries_alone_read_no_base(tokens):
    """With other tokens of the same lengths around a mask, the same token is named."""
    rng = np.random.default_rng(0)
    alike = {n: np.flatnonzero(tokens.lengths == n) for n in np.unique(tokens.lengths[tokens.true])}
    real = tokens.true >= len(SPECIAL_TOKENS)
    other = tokens.true.copy()
    other[real] = [rng.choice(alike[n]) for n in tokens.lengths[tokens.true[real]]]
    changed = MaskedTokens(tokens.corpus, np.where(tokens.masked, MASK, other), other)
    masked = tokens.masked
    assert (predictions.by_boundaries(changed)[masked] == predictions.by_boundaries(tokens)[masked]).all()


# ---- costs


def test_an_lstms_operations_are_those_of_its_products():
    vocabulary, width, samples, length = 40, 16, 2, 12
    model = build("elmo", "sequence", vocabulary, hidden_size=width, num_labels=3).train()
    found = operations(model, costs.batch(model, samples, length, every=False))
    # Two operations a product; four gates; two directions; the second layer reads both directions of the first.
    forward = [2 * 4 * width * (read + width) * 2 * length * samples for read in (width, 2 * width)]
    head = 2 * samples * 3 * 256 * 2 * width
    assert found == pytest.approx(3 * (sum(forward) + head), rel=0.02)  # backward twice forward; no gradient of inputs


@pytest.mark.parametrize("head", ["mlm", "tss", "sequence", "sequence-deep", "multilabel"])
@pytest.mark.parametrize("architecture", ["longformer", "elmo"])
def test_a_step_of_every_model_and_head_is_measured(architecture, head):
    sizes = {"hidden_size": 16} | ({"intermediate_size": 16} if architecture == "longformer" else {})
    labels = {} if head in ("mlm", "tss") else {"num_labels": 4}
    model = build(architecture, head, 60, **sizes, **labels).train()
    inputs = costs.batch(model, 3, 20, every=True)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    assert operations(model, inputs) > 0
    assert costs.milliseconds(model, inputs, "fp32") > 0
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(before, model.parameters(), strict=True))


def test_every_token_has_a_label_or_some_have():
    model = build("longformer", "mlm", 60, hidden_size=16, intermediate_size=16)
    every, some = (costs.batch(model, 4, 200, every)["labels"] for every in (True, False))
    assert (every >= 0).all()
    assert (some >= 0).float().mean().item() == pytest.approx(0.15, abs=0.05)
    assert isinstance(model, nn.Module)


def test_an_inputs_length_is_that_of_the_task():
    assert costs.input_length({}) == 256
    assert costs.input_length({"input_length": 224}) == 224
    assert costs.input_length({"tokens": {"mean": 190.4}}) == 192
    assert costs.input_length({"tokens": {"mean": 300.0}}) == 256


# ---- the examples


def piece(**columns):
    return pd.DataFrame({"kind": ["visible"] * len(columns["true"]), **columns})


@pytest.fixture
def shown_piece():
    return piece(
        shown=["ACG", "<mask>", "TTTT", "<mask>", "GG", "<mask>"],
        true=["ACG", "CCC", "A", "TTT", "GG", "CA"],
        predicted=["ACG", "CCC", "A", "TTA", "GG", "CAT"],
        kind=["visible", "masked", "random", "masked", "visible", "masked"],
    )


def test_marks_say_right_wrong_and_whether_the_length_is_right(shown_piece):
    marks = [alignment.mark(row) for _, row in shown_piece.iterrows()]
    assert marks == ["", "✓", "✓", "✗ =", "", "✗"]


def test_tokens_of_one_place_begin_in_one_column(shown_piece):
    long = pd.concat([shown_piece] * 5, ignore_index=True)
    blocks = alignment.lines(long)
    assert len(blocks) > 1
    drawn = {(*text.get_position(), text.get_text()) for text in alignment.draw(long).axes[0].texts}
    for number, block in enumerate(blocks):
        columns = ["shown", "true", "predicted", "mark"]
        ends = block["at"] + block[columns].map(len).max(axis=1)
        assert (ends.to_numpy()[:-1] < block["at"].to_numpy()[1:]).all(), "no token reaches into the next"
        assert ends.max() <= alignment.COLUMNS + 1
        for row, column in enumerate(columns):
            here = block if column != "mark" else block[block["kind"] != "visible"]
            assert {(at, -5 * number - row, text) for at, text in zip(here["at"], here[column], strict=True)} <= drawn


def test_the_figure_shows_every_token_and_every_mark_in_black_and_white_too(shown_piece):
    figure = alignment.draw(shown_piece)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for name in ("shown", "true", "predicted"):
        assert set(shown_piece[name]) <= set(texts)
    assert {alignment.RIGHT, alignment.SAME_LENGTH, alignment.OTHER_LENGTH} <= set(texts)
    drawing, width = png(figure)
    assert drawing.startswith(b"\x89PNG")
    assert width > 300


def test_the_wrong_piece_has_fewest_right_and_the_average_piece_the_usual_share(tokens):
    rng = np.random.default_rng(2)
    predicted = np.where(tokens.changed & (rng.random(tokens.true.shape) < 0.4), tokens.true, CLS + 5)
    predicted = np.where(tokens.changed, predicted, tokens.shown)
    found = examples.choose(tokens, predicted, 24)
    share = {}
    for figure, rows in found.groupby("figure"):
        assert len(rows) == 24
        changed = rows[rows["kind"] != "visible"]
        assert len(changed) >= examples.FEWEST_CHANGED
        share[figure] = (changed["predicted"] == changed["true"]).mean()
        visible = rows[rows["kind"] == "visible"]
        assert (visible["shown"] == visible["true"]).all()
        assert (rows["shown"] == "<mask>").equals(rows["kind"] == "masked")
    usual = (predicted == tokens.true)[tokens.changed].mean()
    assert share["B.1"] == 0
    assert share["B.2"] == pytest.approx(usual, abs=0.15)


# ---- what the thesis prints


def test_the_three_rows_of_a_printed_figure_stand_place_by_place():
    """A token that is visible is predicted as it is, and no true token crosses the border of a word of nine bases."""
    found = printed.tokens()
    assert found.groupby("figure")["place"].apply(list).to_dict() == {"B.1": [*range(1, 21)], "B.2": [*range(1, 22)]}
    visible = found.query("kind == 'visible'")
    assert visible["predicted"].equals(visible["true"])
    assert found[["true", "predicted"]].stack().str.fullmatch("[ACGT]{1,9}").all()
    for _, figure in found.groupby("figure"):
        bases = figure["true"].str.len().to_numpy(int)
        sizes = np.concatenate([np.zeros(len(SPECIAL_TOKENS), int), bases])
        offsets, _ = word_frames(len(SPECIAL_TOKENS) + np.arange(len(bases)), sizes, 9)
        assert (offsets + bases <= 9).all()


def test_what_is_said_of_the_printed_tokens_is_what_a_reader_counts():
    counted = {"masked": 8, "right": 3, "random": 3, "behind_random": 0, "wrong": 8, "alike": 5, "tokens": 41}
    assert printed.counts() == counted | {"bases": pytest.approx(136 / 41)}
    said = printed.changed_tokens()["prediction"]
    assert said["B.1"].tolist() == [*["wrong, same length"] * 3, "wrong, other length", "wrong, same length", "right"]


@pytest.mark.parametrize("number", ["5.4", "B.4"])
def test_auc_all_as_the_thesis_prints_it_is_no_mean_over_all_labels(number):
    """Such a mean lies between the least and the greatest mean of the three kinds."""
    table = thesis_table(number).dropna(subset=["AUC_all"])
    assert len(table) >= 3
    assert (table["AUC_all"] < table[["AUC_DNase", "AUC_TF", "AUC_histone"]].min(axis=1)).all()


# ---- with nothing recorded


def test_with_nothing_recorded_every_table_is_empty_and_no_figure_is_drawn():
    none = Finished("recorded", "", {})
    tables = [results.table_b_1, results.table_b_2, results.table_b_3, results.table_b_4]
    tables += [results.masked_tokens, results.costs, results.by_cost, results.lengths]
    assert all(make(none).empty for make in tables)
    assert results.draw_by_cost(none) is None
    assert results.example(none, "B.1") is None
    assert results.times(none) == {}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("12s-large-longformer-deep", ("12s", "large-longformer-deep")),
        ("mlm-longformer-longer", ("mlm", "longformer-longer")),
        ("masked-tokens", ("", "masked-tokens")),
        ("costs", ("", "costs")),
    ],
)
def test_a_run_is_a_row_by_its_name(name, found):
    assert results.parts(name) == found


# ---- the same test copies


@pytest.fixture
def answers(tmp_path):
    """Two models that are asked about 40 copies of 10 species: the first is wrong in three of one, and in one more."""

    def run(name, wrong):
        folder = tmp_path / name
        folder.mkdir()
        pd.DataFrame({"sample": range(len(wrong)), "true": wrong}).to_csv(folder / "errors.csv", index=False)
        record = {"classes": 10, "samples": {"test": 40}, "parameters": {"seed": 1}, "key": name}
        (folder / "run.json").write_text(json.dumps(record))
        return name, folder

    wrong = {"12s-elmo": ["a", "a", "a", "b"], "12s-longformer": ["b"], "12s-large-longformer": []}
    return Finished("recorded", "laptop", dict(run(name, each) for name, each in wrong.items()))


def test_a_model_minus_another_is_the_difference_of_their_right_copies(answers):
    elmo, small = answers["12s-elmo"], answers["12s-longformer"]
    found, opposite = paired.minus(elmo, small), paired.minus(small, elmo)
    assert found.value == pytest.approx(-3 / 40)
    assert found == pytest.approx((-opposite.value, -opposite.high, -opposite.low))
    assert found.high == 0, "three copies of one species are one thing: it may not be drawn"
    assert paired.minus(elmo, elmo) == (0, 0, 0)
    assert set(paired.differences(answers)) == {
        "Large Longformer minus Longformer (baseline)",
        "ELMo minus Longformer (baseline)",
    }


def test_the_recorded_deep_head_is_behind_on_the_same_copies():
    done = recorded("06_appendix_b")
    found = paired.differences(done)
    deep, elmo = (results.of_task(done, "12s")[results.NAMES[name]] for name in ("large-longformer-deep", "elmo"))
    each = found[f"{results.NAMES['large-longformer-deep']} minus {results.NAMES['elmo']}"]
    assert each.value == pytest.approx(deep.value("metrics.test.top1") - elmo.value("metrics.test.top1"))
    assert each.high < 0
    assert each.points in paired.behind(found)


def test_the_line_below_a_table_of_a_task_names_its_trainings_alone():
    done = recorded("06_appendix_b")
    for task in results.TASKS:
        names = set(results.only(done, task))
        assert len(names) == len(results.of_task(done, task)) > 2
        assert all(name.startswith(f"{task}-") for name in names)
    assert len(results.of_costs(done)) == len(results.costs(done)) + 1


def test_a_baseline_is_said_to_be_an_earlier_run_only_where_its_key_is():
    done = recorded("06_appendix_b")
    text = results.baselines(done)
    for task, (notebook, name, _) in results.EARLIER.items():
        run = results.of_task(done, task)[results.NAMES["longformer"]]
        same = run.record["key"] == recorded(notebook)[name].record["key"]
        assert (results.TASKS[task] in text.split("Others")[0]) == same
    assert results.baselines(Finished("recorded", "", {})) == ""


def test_each_quality_has_the_name_of_its_measure():
    table = results.costs(recorded("06_appendix_b"))
    for task, title in results.TASKS.items():
        assert set(table.loc[title, "measure"]) == {results.MEASURES[task]}


def test_each_model_of_a_task_is_told_with_its_rate_and_its_epochs():
    done = recorded("06_appendix_b")
    told = results.schedules(done, "12s").split("; ")
    models = results.of_task(done, "12s")
    assert len(told) == len(models) == 4
    for text, (model, run) in zip(told, models.items(), strict=True):
        rate, epochs = re.fullmatch(rf"{re.escape(model)} (\d+e-\d+), (\d+) epochs", text).groups()
        settings = run.record["parameters"]
        assert (float(rate), int(epochs)) == (settings["learning_rate"], settings["epochs"])
        assert results.costs(done).loc[(results.TASKS["12s"], model), "learning rate"] == rate
    assert results.schedules(Finished("recorded", "", {}), "12s") == ""
