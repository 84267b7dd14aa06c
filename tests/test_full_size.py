"""The full-size row: its keys, a last epoch that begins with its model, and its place on the page."""

import hashlib
import json
import os

import pytest
import torch
from torch.utils.data import default_collate
from transformers import AutoModelForMaskedLM

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.pretraining import budgets, gains
from dnakit.chapters.pretraining import intervals as of_groups
from dnakit.chapters.pretraining.full_size import ALL_TOKENS, FULL_SIZE
from dnakit.chapters.pretraining.measurements import MAP, MODEL_MEASURED
from dnakit.export import card
from dnakit.models import build
from dnakit.project import DnakitError, root
from dnakit.report.finished import recorded
from dnakit.tokens.corpus import prepare

NOTEBOOK = "02_pretraining"


def test_epochs_recipe_and_genomes_decide_the_key():
    changes = [{}, {"full_size_epochs": 3}, {"full_size_recipe": "decay"}, {"recipe_genomes": 11}]
    for name in (FULL_SIZE, ALL_TOKENS):
        assert len({chapter_of(NOTEBOOK, "smoke", each).runs[name].key for each in changes}) == len(changes)


def test_the_row_changes_no_key_of_another_run():
    runs, without = (chapter_of(NOTEBOOK, "smoke", {"full_size_recipe": each}).runs for each in ("laptop", ""))
    own = {FULL_SIZE, ALL_TOKENS}
    assert set(runs) - set(without) == own | {f"{MODEL_MEASURED}{name}" for name in own} | {f"{MAP}-{FULL_SIZE}"}
    assert {name: runs[name].key for name in without} == {name: run.key for name, run in without.items()}


def test_an_unknown_recipe_is_one_line():
    with pytest.raises(DnakitError, match="'decoy' is not a recipe; did you mean 'decay'"):
        _ = chapter_of(NOTEBOOK, "smoke", {"full_size_recipe": "decoy"}).runs


@pytest.mark.trained
def test_the_last_epoch_goes_on_from_the_row_and_is_over_all_tokens():
    runs = chapter_of(NOTEBOOK, "smoke").runs
    row, last = runs[FULL_SIZE], runs[ALL_TOKENS]
    before, after = (build.load(run.folder() / "model").state_dict() for run in (row, last))
    moved = max(float((before[name] - after[name]).abs().max()) for name in before)
    assert 0 < moved < 0.2  # of the weights; from other initial weights they would differ by more than one
    assert last.needs() == [row]


@pytest.mark.trained
def test_the_page_shows_the_row_by_both_losses():
    done = chapter_of(NOTEBOOK, "smoke").here()
    table = budgets.over_all_tokens(budgets.of_full_size(done))
    assert table.index.tolist() == ["laptop", "the same, one epoch more"]
    assert table["samples seen"].tolist()[1] == 1.5 * table["samples seen"].tolist()[0]  # two epochs, then one more
    assert table["loss over"].tolist()[1] == "all tokens"
    assert table.copying.between(0.8, 0.93).all()
    assert FULL_SIZE in budgets.table(budgets.of_budgets(done)).index
    assert ALL_TOKENS not in budgets.trained(done)


# ---- the weights that the repository holds

WEIGHTS = root() / "models" / FULL_SIZE


def test_the_weights_in_the_repository_are_those_of_the_recorded_row():
    manifest, row = json.loads((WEIGHTS / "dnakit.json").read_text()), recorded(NOTEBOOK)[FULL_SIZE]
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() == digest
    assert manifest["key"] == row.record["key"]
    assert json.loads((WEIGHTS / "run" / "metrics.json").read_text()) == row.metrics


INTERVALS = "## Intervals of the metrics\n"  # after the card of an export: the record of the run does not hold them


def test_the_listed_genomes_are_as_many_as_recorded_and_no_part_has_one_of_another():
    parts = json.loads((WEIGHTS / "run" / "genomes.json").read_text())
    assert {part: len(names) for part, names in parts.items()} == recorded(NOTEBOOK)[FULL_SIZE].record["genomes"]
    assert len(set().union(*parts.values())) == sum(map(len, parts.values()))
    measured = recorded(NOTEBOOK)[f"{MODEL_MEASURED}{FULL_SIZE}"].frame("bits.csv")
    assert {part: set(names) for part, names in measured.groupby("ruler").genome} == {
        part: set(parts[part]) for part in ("near", "far")
    }


@pytest.mark.skipif("DNAKIT_MIRROR" not in os.environ, reason="needs the real genomes: DNAKIT_MIRROR is not set")
def test_the_card_is_that_of_an_export():
    row = chapter_of(NOTEBOOK, "laptop", {"precision": "bf16"}).runs[FULL_SIZE]
    written = (WEIGHTS / "README.md").read_text().partition(INTERVALS)[0]
    assert written.rstrip() == card(row, WEIGHTS, NOTEBOOK, "laptop").rstrip()


def test_the_card_has_the_recorded_intervals():
    intervals = (WEIGHTS / "README.md").read_text().partition(INTERVALS)[2]
    done = recorded(NOTEBOOK)
    measured = done[f"{MODEL_MEASURED}{FULL_SIZE}"]
    for part in ("near", "far"):
        right, bits = gains.named_right(done, measured, part), gains.resampled(done, measured, part)
        assert f"| {part} | {right.interval:.1%} | {bits.interval:.3f} |" in intervals
    families, sums = gains.drawn_together(done, "mitochondria", "far"), gains.sums_of(measured, "bits.csv", "far")
    invertebrates = families.isin(["Blanidae", "Lygaeidae", "Nymphidae", "Turbinidae", "Turritellidae"])
    for kind, chosen in (("invertebrates", families[invertebrates]), ("vertebrates", families[~invertebrates])):
        ratio = of_groups.ratio(sums.loc[chosen.index], chosen, "right", "masked")
        bits = of_groups.bits_per_base(sums.loc[chosen.index], chosen)
        named = f"| far, the {len(chosen)} {kind}, {chosen.nunique()} families |"
        assert f"{named} {of_groups.interval(*ratio):.1%} | {of_groups.interval(*bits):.3f} |" in intervals
    row = budgets.table(budgets.of_budgets(done)).loc[FULL_SIZE]
    for said in (f"{row[budgets.LOOKUP]:.1%}", row[budgets.OVER_LOOKUP], row[budgets.OVER_COUNTED]):
        assert said in intervals


@pytest.mark.slow
@pytest.mark.skipif("DNAKIT_MIRROR" not in os.environ, reason="needs the real genomes: DNAKIT_MIRROR is not set")
def test_plain_transformers_reaches_with_them_what_was_recorded():
    row = chapter_of(NOTEBOOK, "laptop", {"precision": "bf16"}).runs[FULL_SIZE]
    assert row.key == recorded(NOTEBOOK)[FULL_SIZE].record["key"]
    corpus = prepare(row.corpus)
    assert corpus.genomes == json.loads((WEIGHTS / "run" / "genomes.json").read_text())
    samples = row.all_samples(corpus)["far"]
    model = AutoModelForMaskedLM.from_pretrained(WEIGHTS, dtype="float32").eval()
    right = masked = 0
    for start in range(0, len(samples), 16):
        batch = default_collate([samples[at] for at in range(start, min(start + 16, len(samples)))])
        with torch.no_grad():
            best = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.argmax(-1)
        right += int((best == batch["labels"])[batch["masked"]].sum())
        masked += int(batch["masked"].sum())
    assert right / masked == pytest.approx(recorded(NOTEBOOK)[FULL_SIZE].metrics["far"]["masked_accuracy"], abs=2e-3)
