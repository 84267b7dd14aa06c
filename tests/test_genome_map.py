"""Pooled hidden states, and how often nearest neighbours are relatives."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

from dnakit.chapters.pretraining import genome_map, results
from dnakit.chapters.pretraining.bits_per_base import frames
from dnakit.models import build, initial_weights
from dnakit.project import DnakitError
from dnakit.report.finished import Finished
from dnakit.report.tables import MISSING
from dnakit.tokens.tokenizer import train_tokenizer
from dnakit.tokens.vocabulary import SPECIAL_TOKENS

torch.set_num_threads(1)
SIZES = {
    "longformer": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16},
    "longalbert": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16},
    "elmo": {"hidden_size": 8},
}


def random_genome(length, seed, weights=(1, 1, 1, 1)):
    rng = np.random.default_rng(seed)
    return rng.choice(list(b"ACGT"), length, p=np.array(weights) / sum(weights)).astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([random_genome(2000, 0).decode()], 60, 4)


@pytest.fixture(params=list(SIZES))
def model(request, tokenizer):
    torch.manual_seed(1)
    return build.build(request.param, "mlm", len(tokenizer), **SIZES[request.param])


def test_pooled_states_do_not_depend_on_batches_or_padding(model, tokenizer, monkeypatch):
    genomes = {
        "long": random_genome(3000, 1),
        "short": random_genome(90, 2),
        "unknown": b"ACGGT" + b"N" * 40 + b"TTGACGTA",
    }
    together = genome_map.embed(model, tokenizer, genomes)
    for batch in (1, 3):
        monkeypatch.setattr(genome_map, "BATCH", batch)
        np.testing.assert_allclose(genome_map.embed(model, tokenizer, genomes), together, atol=1e-6)
    for name, pooled in zip(genomes, together, strict=True):
        states = []
        for sample in frames(tokenizer.encode_sequence(genomes[name])):
            bare = torch.from_numpy(sample[sample != 1])[None]
            with torch.no_grad():
                hidden = model.eval().encode(bare, None, None)[0]
            states.append(hidden[bare[0] >= len(SPECIAL_TOKENS)])
        np.testing.assert_allclose(pooled, torch.cat(states).mean(0).numpy(), atol=1e-5)


def test_a_genome_without_known_bases_is_named(model, tokenizer):
    with pytest.raises(DnakitError, match="'empty' has no known bases"):
        genome_map.embed(model, tokenizer, {"fine": b"ACGTACGT", "empty": b"NNNN"})


def test_the_untrained_peer_has_the_weights_training_began_with(tokenizer):
    transformers.set_seed(5)
    began = build.build("longformer", "mlm", len(tokenizer), **SIZES["longformer"])
    state = torch.random.get_rng_state()
    peers = [genome_map.untrained(began, tokenizer, seed).state_dict() for seed in (5, 6)]
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(peers[0][name], weight) for name, weight in began.state_dict().items())
    assert any(not torch.equal(peers[1][name], weight) for name, weight in began.state_dict().items())


def test_the_untrained_peer_of_an_informed_model_is_informed(tokenizer):
    sizes = SIZES["longformer"] | {"hidden_size": 64}
    torch.manual_seed(5)
    began = initial_weights.build("longformer", "mlm", tokenizer, "informed", **sizes)
    peer = genome_map.untrained(began, tokenizer, 5, "informed").state_dict()
    assert all(torch.equal(peer[name], weight) for name, weight in began.state_dict().items())


def test_frequencies_of_4mers_are_counts_of_windows_of_known_bases():
    genomes = {"a": random_genome(500, 3), "n": b"ACGTACGNACGTTT", "none": b"ACNN"}
    found = genome_map.kmer_frequencies(genomes)
    for row, sequence in zip(found, genomes.values(), strict=True):
        windows = [sequence[i : i + 4] for i in range(len(sequence) - 3)]
        counts = Counter(window for window in windows if b"N" not in window)
        expected = np.zeros(256)
        for word, count in counts.items():
            expected[int("".join(str(b"ACGT".index(letter)) for letter in word), 4)] = count / sum(counts.values())
        np.testing.assert_allclose(row, expected)


def test_separated_clusters_are_always_found():
    rng = np.random.default_rng(1)
    groups = [f"g{number % 5}" for number in range(60)]
    centres = 10 * np.eye(5, 8)
    vectors = np.stack([centres[int(group[1])] for group in groups]) + rng.normal(0, 0.1, (60, 8))
    score = genome_map.neighbour_score(vectors, groups)
    assert score == {"genomes": 60, "score": 1.0, "chance": pytest.approx(11 / 59)}
    scaled = genome_map.neighbour_score(vectors * rng.uniform(1, 9, (60, 1)), groups)
    assert scaled == score  # a cosine knows no lengths


def test_shuffled_labels_are_found_by_chance():
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(400, 6))
    groups = np.repeat(["a", "b", "c", "d"], [200, 100, 60, 40])
    scores = [genome_map.neighbour_score(vectors, list(rng.permutation(groups))) for _ in range(20)]
    chance = scores[0]["chance"]
    pairs = sum(size * (size - 1) for size in (200, 100, 60, 40)) / (400 * 399)
    assert chance == pytest.approx(pairs)
    # Mutual neighbours are counted twice, so the variance is at most twice that of independent draws.
    deviation = np.sqrt(2 * chance * (1 - chance) / (400 * len(scores)))
    assert abs(np.mean([score["score"] for score in scores]) - chance) < 5 * deviation


def test_unknown_and_single_genomes_are_not_scored():
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [1, 0.01]])
    assert genome_map.neighbour_score(vectors, ["a", "a", "b", None]) == {"genomes": 2, "score": 1.0, "chance": 0.5}
    nothing = genome_map.neighbour_score(vectors, ["a", "b", None, None])
    assert nothing["genomes"] == 0
    assert np.isnan(nothing["score"])


@pytest.fixture(scope="module")
def measured(tokenizer, tmp_path_factory):
    """Two classes of two orders each, told apart by their composition; one genome of unknown lineage."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(3)
    build.build("longformer", "mlm", len(tokenizer), **SIZES["longformer"]).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights = {("Aves", "Galliformes"): (9, 1, 1, 1), ("Mammalia", "Primates"): (1, 1, 1, 9)}
    genomes, lineages = {"unknown": random_genome(400, 99)}, {}
    for group, (names, composition) in enumerate(weights.items()):
        for number in range(8):
            genomes[f"{names[1]}{number}"] = random_genome(400, [group, number], composition)
            lineages[f"{names[1]}{number}"] = (*names, f"{names[1]}idae")
    return folder, genomes, lineages, genome_map.measure(folder, genomes, lineages, 7)


def test_measure_gives_each_genome_a_place_and_each_rank_a_score(measured):
    _, genomes, _, (points, scores) = measured
    assert list(points.columns) == ["genome", "class", "order", "family", "which", "x", "y"]
    assert [list(part.genome) for _, part in points.groupby("which")] == [list(genomes)] * 2
    assert np.isfinite(points[["x", "y"]]).all(axis=None)
    assert list(scores.columns) == ["rank", "which", "genomes", "score", "chance"]
    assert set(zip(scores["rank"], scores.which, strict=True)) == {
        (rank, which) for rank in ("class", "order", "family") for which in ("untrained", "trained", "4-mers")
    }
    assert (scores.genomes == 16).all()
    np.testing.assert_allclose(scores.chance, 7 / 15)
    # Compositions this far apart are seen by anything that looks at tokens.
    assert (scores.score == 1).all()


def test_measure_repeats_itself(measured):
    folder, genomes, lineages, (points, scores) = measured
    again = genome_map.measure(folder, genomes, lineages, 7)
    pd.testing.assert_frame_equal(again[0], points)
    pd.testing.assert_frame_equal(again[1], scores)


def test_few_genomes_make_no_map(measured):
    folder, genomes, lineages, _ = measured
    with pytest.raises(DnakitError, match="give at least 6"):
        genome_map.measure(folder, dict(list(genomes.items())[:5]), lineages, 1)


def test_a_rank_without_relatives_has_no_share(tmp_path):
    """Five genomes of as many families, and one class."""
    vectors = np.random.default_rng(1).normal(size=(5, 3))
    groups = {"class": ["a"] * 5, "family": list("vwxyz")}
    rows = [
        {"rank": rank, "which": "untrained"} | genome_map.neighbour_score(vectors, found)
        for rank, found in groups.items()
    ]
    (tmp_path / "map").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "map" / "neighbours.csv", index=False)
    table = results.neighbours(Finished("recorded", "laptop", {"map": tmp_path / "map"}))
    assert table.loc["class", "untrained"].startswith("100% [57%")
    assert table.loc["family", "untrained"] == MISSING
    assert table.loc["family", "genomes"] == 0
