"""Chapter 3: what its runs are and rest on, and what goes into their keys."""

from dataclasses import asdict

import numpy as np
import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.tss.fine_tuning import samples_of
from dnakit.chapters.tss.organisms import TABLE_5_2, organism
from dnakit.chapters.tss.starts import read_sites
from dnakit.chapters.tss.trainings import experiments, separating
from dnakit.chapters.tss.windows import load
from dnakit.metrics import loss_and_accuracy
from dnakit.notebooks.parameters import PROFILES
from dnakit.project import DnakitError
from dnakit.report.thesis import thesis_table
from dnakit.store import read_json


def runs(profile="smoke", **changes):
    return chapter_of("03_tss", profile, changes).runs


@pytest.mark.parametrize("profile", PROFILES)
def test_names_and_edges_need_no_data(profile, monkeypatch, tmp_path):
    """Each run comes after those of the chapter that it needs, and what it needs of chapter 2 is there."""
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    chapter = chapter_of("03_tss", profile)
    known, seen = list(chapter_of("02_pretraining", chapter.parameters.pretrained).runs), []
    for name, edges in chapter.edges().items():
        assert edges or name.startswith("rule-ties-") or name in ("neighbours", "pretrained-promoters")  # no model
        for edge in edges:
            assert edge.run in {"02_pretraining": known, "03_tss": seen}[edge.notebook]
        seen.append(name)
    assert len(seen) == len(set(seen))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("profile", PROFILES)
def test_the_nine_trainings_and_the_controls_are_in_every_profile(profile):
    found = experiments(chapter_of("03_tss", profile).parameters)
    nine = {(each.initialization, each.dropout) for name, each in found.items() if name.startswith("thesis-")}
    assert nine == {(start, dropout) for start in ("nuclear", "mitochondria", "none") for dropout in (0.0, 0.1, 0.2)}
    assert [sum(each.seamless for each in found.values()), len(found)] == [2, 17]


def test_the_trainings_that_separate_differ_in_one_thing_from_the_one_on_promoters():
    parameters = chapter_of("03_tss", "laptop").parameters
    one, found = asdict(experiments(parameters)["promoters"]), separating(parameters)
    assert len(found) == 3 * parameters.repeats - 1
    for each in found.values():
        differing = {name for name, value in asdict(each).items() if value != one[name]} - {"repeat"}
        assert differing in (set(), {"apart"}, {"trained_on", "few"})


@pytest.mark.trained
def test_no_training_promoter_is_near_a_test_promoter():
    run = runs(organism="simulated-a")["promoters-apart"]
    place = {site.name: site for site in read_sites(run.organism.paths()[1])}
    sites = {part: [place[name] for name in each.windows.names] for part, each in samples_of(run).items()}
    assert {each.windows.site for each in samples_of(run).values()} == {4999}
    for part in ("train", "validation"):
        for one in sites[part]:
            assert all(one[0] != other[0] or abs(one.position - other.position) > 5_000 for other in sites["test"])


@pytest.mark.trained
def test_random_positions_can_be_as_many_as_promoters_and_are_scored_on_promoters():
    run = runs()["random-positions-few"]
    promoters = load(run.organism, run.upstream, run.parameters.downstream)
    assert sum(len(each.windows) for each in samples_of(run).values()) == len(promoters)
    assert read_json(run.folder() / "metrics.json")["promoters"]["samples"] == len(promoters)


def test_the_thesis_profile_has_the_nine_organisms_of_table_5_2():
    chosen = chapter_of("03_tss", "thesis").parameters
    species = [organism(name).species for name in chosen.organisms]
    assert species == thesis_table("5.2").species.tolist() == [each.species for each in TABLE_5_2.values()]
    assert chosen.random_positions == 29_598
    assert (chosen.upstream % 9, chosen.seamless_upstream % 9) == (4, 0)


def test_the_key_follows_what_matters():
    def key(name="random-positions", **changes):
        return runs(**changes)[name].key

    assert key() == key(organisms=["simulated-a"], other_organism="simulated-c", fair_split="random", pictured=9)
    different = [key(), key(seed=2), key(random_positions=99), key(learning_rate=2e-3), key(organism="simulated-c")]
    others = runs(epoch_samples=5)  # with as many samples, Table 5.2's model would be one of the nine
    different += [run.key for name, run in others.items() if name != "random-positions"]
    assert len(set(different)) == len(different)
    assert key("on-simulated-a") == key("on-simulated-a", organisms=["simulated-a"])


def test_a_run_without_a_model_has_a_key_without_trainings():
    for name in ("rule-ties-simulated-a", "neighbours", "pretrained-promoters"):
        assert runs()[name].key == runs(learning_rate=2e-3, epochs=7, evaluation_samples=9)[name].key
        assert runs()[name].key != runs(seed=2)[name].key
    assert runs()["rule-ties-simulated-a"].key != runs(rule_samples=61)["rule-ties-simulated-a"].key


def test_a_training_knows_whose_promoters_it_has_seen():
    found = runs(other_organism="simulated-a")
    a, b = organism("simulated-a"), organism("simulated-b")
    assert [name for name, run in found.items() if name.startswith("fair") and run.trained_on_promoters_of(a)] == [
        "fair-nuclear",
        "fair-none",
        "fair-other-nuclear",
        "fair-other-none",
    ]
    assert not found["fair-nuclear"].trained_on_promoters_of(b)
    assert not found["random-positions"].trained_on_promoters_of(a)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "half"}, "03_tss: 'split': "),
        ({"dropouts": [0.0]}, "'dropouts' lacks 0.1"),
        ({"organisms": ["simulated-a", "simulated-a"]}, "'organisms' names simulated-a twice"),
        (
            {"organisms": ["a/mine.fa@200", "b/mine.fa@200"]},
            "a/mine.fa@200 and b/mine.fa@200 would both be called mine.fa@200; rename one of the files",
        ),
        ({"epochs": 0}, "03_tss: 'epochs': "),
        ({"organism": "mine.fa@4999"}, "mine.fa@4999 is windows alone.*name it in 'organisms'"),
    ],
)
def test_a_wrong_parameter_is_one_clear_error(changes, message):
    with pytest.raises(DnakitError, match=message) as caught:
        runs(**changes)
    assert "\n" not in str(caught.value)


def test_an_unknown_organism_is_one_clear_error():
    with pytest.raises(DnakitError, match="no organism with promoters"):
        runs(organisms=["simulated-z"])["on-simulated-z"].folder()


def test_summarise_divides_the_sums():
    assert loss_and_accuracy(np.array([20.0, 10, 4])) == {"loss": 2.0, "accuracy": 0.4}
