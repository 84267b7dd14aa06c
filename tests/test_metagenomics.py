"""Properties of chapter 4: search against brute force, splits that hold out, calibration, the thesis's samples."""

import gzip
import re
from types import SimpleNamespace

import edlib
import numpy as np
import pandas as pd
import pytest

from dnakit import store
from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.metagenomics import (
    ceiling,
    classifier,
    confidence,
    copies,
    measuring,
    methods,
    mock,
    model_results,
    naming,
    overlap,
    results,
    search,
    tasks,
)
from dnakit.chapters.metagenomics.comparing import scored
from dnakit.chapters.metagenomics.parameters import PROGRAMS
from dnakit.chapters.metagenomics.references import reference
from dnakit.data.barcodes import RANKS
from dnakit.data.bases import mutate, reverse_complement
from dnakit.data.formats import Record
from dnakit.project import DnakitError
from dnakit.report import finished
from dnakit.report.thesis import thesis_table
from dnakit.tokens import corpus

ADAPTER = b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCAC"


@pytest.fixture(scope="module")
def table():
    return reference("simulated").table()


@pytest.fixture(scope="module")
def searcher(table):
    return search.Searcher(search.build(table["sequence"].tolist(), table["species"].tolist()))


@pytest.fixture
def rng():
    return np.random.default_rng(3)


# ---- search


def test_postings_hold_each_kmer_of_a_record_once(table, searcher):
    index = searcher.index
    for row in (0, 50, len(table) - 1):
        numbers = np.unique(search.kmers_of([table["sequence"][row]])[0])
        column = index.postings[:, [row]].toarray().ravel()
        assert column.max() == 1
        assert np.flatnonzero(column).tolist() == numbers.tolist()


def test_an_index_survives_being_saved(searcher, tmp_path):
    searcher.index.save(tmp_path / "index.npz")
    again = search.Index.load(tmp_path / "index.npz")
    assert (again.postings != searcher.index.postings).nnz == 0
    assert again.sequences == searcher.index.sequences
    assert again.species.tolist() == searcher.index.species.tolist()


def test_the_nearest_record_is_as_near_as_the_nearest_of_all(table, searcher, rng):
    reads = [mutate(table["sequence"][row][200:420], 0.04, rng) for row in rng.integers(0, len(table), 30)]
    found = searcher.search(reads)
    for read, record in zip(reads, found.records[:, 0], strict=True):
        every = [edlib.align(read, gene, mode="HW")["editDistance"] for gene in table["sequence"]]
        assert every[record] == min(every)


def test_either_strand_and_lost_bases_give_the_same_hits(table, searcher):
    read = table["sequence"][7][100:300]
    unknown = read[:60] + b"NNN" + read[63:]
    found = searcher.search([read, reverse_complement(read), unknown])
    assert found.distances[:, 0].tolist() == [0, 0, 0]
    assert all(table["species"][row] == table["species"][7] for row in found.records[:, 0])


def test_an_adapter_is_cut_off_and_a_read_may_reach_beyond_a_record(table, searcher):
    gene = table["sequence"][30]
    found = searcher.search([gene[300:420] + ADAPTER, b"ACGTACGTAC" + gene[:150]])
    assert found.lengths.tolist()[0] < 120 + len(ADAPTER) // 2
    assert found.distances[:, 0].tolist() == [0, 0]


def test_the_end_of_a_read_is_cut_only_where_it_is_long():
    read, last = bytes(range(200)), 200 - search.K
    for strange, first in ((search.STRANGE_END, 0), (search.STRANGE_END + 1, search.STRANGE_END + 1)):
        places = np.arange(strange, last + 1)
        assert search.without_strange_ends([read], np.zeros(len(places), int), places) == [read[first:]]


def test_records_that_are_a_few_edits_farther_are_hits_with_their_distances(table):
    gene = table["sequence"][0]
    apart = bytearray(gene)
    for place in (210, 250, 290):
        apart[place] = ord("A") if apart[place] != ord("A") else ord("C")
    found = search.Searcher(search.build([bytes(apart), gene], ["a", "b"])).search([gene[150:350]])
    assert found.records[0, :3].tolist() == [1, 0, -1]
    assert found.distances[0, :2].tolist() == [0, 3]


@pytest.mark.parametrize("read", [b"", b"ACGTACGTACGT", b"N" * 200])
def test_a_read_that_says_nothing_has_no_hits(searcher, read):
    found = searcher.search([read])
    assert (found.records == -1).all()
    assert (found.distances == search.FAR).all()


def test_no_reads_have_no_hits(searcher):
    assert searcher.search([]).records.shape == (0, search.CANDIDATES)


def test_a_read_that_is_far_from_all_records_is_aligned_to_more_of_them(table, searcher, rng):
    assert search._worth_aligning(0, 170) == search.ENOUGH < search._worth_aligning(5, 170) == search.CANDIDATES
    assert search._worth_aligning(9, 170) == search.MOST
    reads = [mutate(table["sequence"][row][200:400], 0.15, rng) for row in rng.integers(0, len(table), 40)]
    found = searcher.search(reads)
    right = []
    for read, record in zip(reads, found.records[:, 0], strict=True):
        every = [edlib.align(read, gene, mode="HW")["editDistance"] for gene in table["sequence"]]
        right.append(every[record] == min(every))
    assert np.mean(right) > 0.9


def test_the_order_by_two_numbers_is_lexsorts(rng):
    first, second = rng.integers(0, 20, 500), rng.integers(0, 30, 500)
    assert (search._sorted_by(first, second) == np.lexsort((second, first))).all()
    assert search._sorted_by(first[:0], second[:0]).tolist() == []


def test_equal_reads_get_equal_names_wherever_they_stand(table, searcher):
    taxa = naming.Taxa(table)
    reads = [table["sequence"][row][100:300] for row in (3, 9, 3, 20, 9)]
    found = classifier.named(searcher, taxa, reads)
    single = [classifier.named(searcher, taxa, [read]) for read in reads]
    assert (found.codes == np.concatenate([each.codes for each in single])).all()
    assert np.allclose(found.evidence, np.concatenate([each.evidence for each in single]))


# ---- names


def ranks(species, genus="G", family="F"):
    return {
        "domain": "D",
        "phylum": "P",
        "class": "C",
        "order": "O",
        "family": family,
        "genus": genus,
        "species": species,
    }


def test_equally_near_records_leave_the_species_open_and_the_genus_certain():
    taxa = naming.Taxa(pd.DataFrame([ranks("G a"), ranks("G b"), ranks("H a", "H", "E")]))
    hits = search.Hits(np.array([[0, 1, 2]]), np.array([[2, 2, 9]]), np.array([170]))
    names = naming.name(hits, taxa)
    spelled = dict(zip(RANKS, taxa.spelled(names.codes)[0], strict=True))
    assert spelled["genus"] == "G"
    margin = dict(zip(RANKS, names.evidence[0, :, 2] * 170, strict=True))
    assert margin["species"] == pytest.approx(0)
    assert margin["genus"] == pytest.approx(7)
    assert margin["class"] == pytest.approx(search.SLACK + 1)


def test_a_read_is_aligned_to_two_records_of_a_species_at_most(table):
    """So that a species of many records does not hide its relatives."""
    gene = table["sequence"][0]
    found = search.Searcher(search.build([gene] * 4 + [gene[:300] + gene[301:]], [*"aaaab"])).search([gene[150:400]])
    hits = found.records[0][found.records[0] >= 0].tolist()
    assert sorted("aaaab"[record] for record in hits) == ["a", "a", "b"]


def test_a_record_without_a_genus_has_no_say_about_it():
    taxa = naming.Taxa(pd.DataFrame([ranks("", ""), ranks("", ""), ranks("G a")]))
    hits = search.Hits(np.array([[0, 1, 2]]), np.array([[2, 2, 2]]), np.array([170]))
    assert taxa.spelled(naming.name(hits, taxa).codes)[0, RANKS.index("genus") :].tolist() == ["G", "G a"]


def test_the_ranks_of_a_name_belong_together(table, searcher, rng):
    taxa = naming.Taxa(table)
    reads = [mutate(table["sequence"][row][:250], 0.1, rng) for row in rng.integers(0, len(table), 60)]
    known = {tuple(row) for row in table[list(RANKS)].to_numpy()}
    spelled = taxa.spelled(classifier.named(searcher, taxa, reads).codes)
    assert {tuple(row) for row in spelled} <= known


# ---- confidence


@pytest.fixture(scope="module")
def made(table):
    return classifier.fit(classifier.records_of(table))


def test_confidence_is_a_probability_that_never_rises_down_the_ranks(made, table, rng):
    reads = [mutate(gene[:200], 0.1, rng) for gene in table["sequence"][:40]]
    sure = made.classify([*reads, b"", rng.choice(np.frombuffer(b"ACGT", np.uint8), 200).tobytes()]).confidence
    assert ((sure >= 0) & (sure <= 1)).all()
    assert (np.diff(sure, axis=1) <= 0).all()
    assert (sure[-2] == 0).all()
    assert sure[-1, 2] < 0.5 < sure[:40, 3].mean()


def test_ranks_of_one_name_take_the_confidence_of_the_next():
    single = np.array([True, True, False, False, False, False, False])
    made = confidence.Calibration(np.zeros((7, 2)), np.array([9.0, 9, 1, 0, 0, 0, -1]), single)
    sure = made.confidence(np.ones((1, 7), int), np.zeros((1, 7, 2)))
    assert sure[0, 0] == sure[0, 1] == sure[0, 2] == pytest.approx(1 / (1 + np.exp(-1)))


def test_the_calibration_error_is_zero_for_calibrated_and_the_gap_for_others(rng):
    sure = rng.random(200_000)
    right = rng.random(200_000) < sure
    weight = np.ones(200_000)
    assert confidence.calibration_error(sure, right, weight) < 0.01
    assert confidence.calibration_error(np.full(10, 0.9), np.arange(10) < 4, np.ones(10)) == pytest.approx(0.5)
    both = np.repeat([0.9, 0.1], 10)  # gaps of either sign do not cancel
    assert confidence.calibration_error(both, np.tile(np.arange(10) < 5, 2), np.ones(20)) == pytest.approx(0.4)
    curve = confidence.risk_coverage(sure, right, weight)
    assert curve["coverage"].iloc[-1] == pytest.approx(1)
    assert curve["risk"].iloc[-1] == pytest.approx(1 - right.mean())
    assert curve["risk"].is_monotonic_increasing
    twice = confidence.risk_coverage(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), np.array([1.0, 2, 1]))
    assert twice["risk"].tolist() == pytest.approx([0, 2 / 3, 2 / 4])  # the second read is met twice as often


def test_reads_of_each_kind_weigh_as_often_as_they_are_met_and_an_unknown_name_is_never_right(table):
    reads = classifier.mixture(tasks.split(table, 1, tasks.WITH_CLASSES).test, seed=1)
    met = reads.groupby("level")["weight"].sum()
    expected = pd.Series(classifier.MIXTURE)[met.index]
    assert met.to_dict() == pytest.approx((expected / expected.sum()).to_dict())
    assert (reads["level"] == "stranger").any()
    right = classifier.right_names(reads[list(RANKS)].to_numpy(object), reads)
    assert right[reads["level"] != "stranger"].all()
    assert not right[reads["level"] == "stranger"].any()


# ---- fair tasks


def test_what_is_held_out_is_not_in_the_reference(table):
    parts = tasks.split(table, seed=1)
    test = parts.test
    assert not set(test["name"]) & set(parts.reference["name"])
    for level, rank in (("species", "species"), ("genus", "genus")):
        assert not set(test.loc[test["level"] == level, rank]) & set(parts.reference[rank])
    known = test[test["level"] == "known"]
    assert len(known)
    assert set(known["species"]) <= set(parts.reference["species"])
    for level, rank in tasks.DECIDES.items():
        assert set(test.loc[test["level"] == level, rank]) <= set(parts.reference[rank])


def test_no_group_of_more_than_a_tenth_is_held_out_and_only_what_can_be_right_is_asked():
    """Of one family, each species in a genus of its own: nobody can name the genus of a held-out species."""
    one = pd.DataFrame([ranks(f"G{number} a", f"G{number}") for number in range(200)])
    one = one.assign(name=[f"r{number}" for number in range(200)], sequence=b"ACGT")
    seed = next(seed for seed in range(1_000) if tasks.share(seed, "family", "F") < tasks.HELD_OUT["family"])
    parts = tasks.split(one, seed)
    assert 150 < len(parts.reference) < 190
    assert set(parts.test["level"]) == {"genus"}


def test_a_new_release_splits_the_old_records_alike(table):
    old = table[~table["name"].str.endswith(".3")].reset_index(drop=True)
    before, after = tasks.split(old, 1), tasks.split(table, 1)
    new = {
        level: set(part.test.loc[part.test["level"] == level, "species"])
        for level in ("species",)
        for part in (before,)
    }
    assert new["species"] == set(after.test.loc[after.test["level"] == "species", "species"])


@pytest.mark.parametrize("form", tasks.FORMS)
def test_reads_are_pieces_of_their_records_on_either_strand(table, form):
    reads = tasks.shown(table, form, seed=1)
    genes = table.set_index("name")["sequence"]
    forward = [read in genes[name] for read, name in zip(reads["sequence"], reads["name"], strict=True)]
    backward = [reverse_complement(r) in genes[n] for r, n in zip(reads["sequence"], reads["name"], strict=True)]
    assert all(one or other for one, other in zip(forward, backward, strict=True))
    lengths = reads["sequence"].str.len()
    if form == "gene":
        assert all(forward)
    else:
        assert 0.3 < np.mean(forward) < 0.7
        least, most = tasks.FRAGMENT if form == "fragment" else (165, 175)
        assert lengths.between(least, most).all()


def test_an_interval_holds_the_share_and_shrinks_with_the_groups(rng):
    right = rng.random(400) < 0.7
    low, high = tasks.interval(right, np.arange(400), seed=1)
    wide = tasks.interval(right, np.arange(400) // 40, seed=1)
    assert low < right.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.21 / 400), rel=0.25)
    assert wide[1] - wide[0] != pytest.approx(high - low, abs=1e-4)


def test_a_rank_is_scored_only_where_it_can_be_right(table):
    parts = tasks.split(table, 1)
    rows = pd.DataFrame(scored(parts.test, np.ones((len(parts.test), len(RANKS)), bool), "gene", 1))
    assert set(rows.loc[rows["level"] == "species", "rank"]) == {"genus", "family"}
    assert (rows["share"] == 1).all()


def test_held_out_genera_are_drawn_anew_as_wholes():
    """Reads of a genus are right or wrong together: with two genera an interval goes from none to all."""
    names = [dict.fromkeys(RANKS, "x") | {"genus": f"G{n % 2}", "species": f"G{n % 2} s{n}"} for n in range(60)]
    right = np.repeat(np.arange(60)[:, None] % 2 == 0, len(RANKS), axis=1)
    ends = {}
    for level in ("genus", "species"):
        row = scored(pd.DataFrame(names).assign(level=level), right, "gene", 1)[-1]
        assert (row["rank"], row["share"]) == ("family", 0.5)
        ends[level] = (row["low"], row["high"])
    assert ends["genus"] == (0, 1)
    assert 0.3 < ends["species"][0] < ends["species"][1] < 0.7


def test_of_equally_near_records_the_first_is_named():
    """Records of one sequence have one score: so a rule decides, and not how scores are sorted."""
    rng = np.random.default_rng(0)
    genes = ["".join(rng.choice(list("ACGT"), 200)).encode() for _ in range(40)]
    records = [genes[0], *genes, genes[0], *genes[1:], genes[0]]
    for make in (methods.cosine, methods.naive_bayes):
        ranked = make(records, np.arange(len(records))).rank([genes[0], reverse_complement(genes[0]), genes[7]], 3)
        assert ranked[:2].tolist() == [[0, 1, 41]] * 2
        assert ranked[2, :2].tolist() == [8, 48]


def test_a_name_that_is_not_known_is_no_rival_of_the_ceiling():
    records = pd.DataFrame([ranks(name) for name in ("G a", "G b", "G c")]).assign(sequence=[b"ACGTTGCAAC"] * 3)
    records.loc[1:, "family"] = ""
    records.loc[0, "family"] = "F"
    found = pd.DataFrame(ceiling.chances(records, records), columns=list(RANKS))
    assert found["family"].tolist() == [1, 0, 0]


def test_reads_that_lie_in_records_of_several_names_lower_the_ceiling():
    genes = [b"ACGTTGCAAC", b"TTACGTTGCA", b"ACGTTGCAAC", b"GGGGGCCCCA"]
    records = pd.DataFrame([ranks(name) for name in ("G a", "G b", "G b", "H c")]).assign(sequence=genes)
    records.loc[3, "genus"] = "H"
    reads = records.iloc[[0, 1, 3, 3]].assign(sequence=[b"ACGTTGCA", b"TTACG", reverse_complement(b"GGGGC"), b"C"])
    found = pd.DataFrame(ceiling.chances(reads, records), columns=list(RANKS))
    assert found["species"].tolist() == [0, 1, 1, 0]  # two records of G b hold the first, three of G the last
    assert found["genus"].tolist() == [1, 1, 1, 0]
    assert (found["family"] == 1).all()
    twice = ceiling.chances(reads.head(1), records.head(2))[0]
    assert twice[RANKS.index("species")] == 0.5
    nameless = ceiling.chances(reads.head(1).assign(family=""), records.assign(family=""))[0]
    assert nameless[RANKS.index("family")] == 0  # as no method is right there


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"sequence\tone-1\nACGT\t5\n" * 500)[:-20], "truncated or damaged"),
        (b"reads\tone-1\nACGT\t5\n", "has no column 'sequence'"),
        (b"sequence\tone-1\nACGT\t5\nACGT\t5\t6\t7\n", "no table of tab-separated columns"),
        (b"", "no table of tab-separated columns"),
    ],
)
def test_a_broken_table_of_a_mock_community_is_one_line(tmp_path, content, message):
    path = tmp_path / "counts.tsv"
    path.write_bytes(content)
    with pytest.raises(DnakitError, match=message) as caught:
        mock._table(str(path), ("sequence",))
    assert "\n" not in str(caught.value)


def test_a_ratio_that_is_not_known_is_no_ratio_of_zero():
    composition = pd.DataFrame(
        {"community": [*"AABB"], "species": ["X one", "X two", "X one", "Y one"], "dna_ratio": [1, 3, np.nan, 2]}
    )
    counts = pd.DataFrame({"sequence": ["ACGT", "TTTT"], "A-1": [30, 10], "B-1": [5, 5]})
    names = np.full((2, len(RANKS)), "", object)
    names[:, RANKS.index("genus")] = ["X", "Y"]
    members = mock._members(composition, pd.DataFrame(columns=[*RANKS]))
    shares = mock._shares(names, counts, members)
    assert shares.to_dict("records") == [{"genus": "X", "dna_share": 1.0, "read_share": 0.75, "community": "A"}]
    with pytest.raises(DnakitError, match="no mock community has a dna_ratio for each of its species"):
        mock._shares(names, counts, members[members["community"] == "B"])


def test_members_of_a_community_are_found_missed_or_invented_by_their_shares_of_all_reads():
    """Of 10,000 reads a member has 6,000, one 5, a stranger 990, an unnamed species 3,000, and noise has 5."""
    of = {"a": "A b", "b": "C d", "c": "E f", "d": "", "e": "G h"}
    names = np.full((5, len(RANKS)), "", object)
    names[:, RANKS.index("species")] = list(of.values())
    names[:, RANKS.index("genus")] = [species.split(" ")[0] for species in of.values()]
    counts = pd.DataFrame({"sequence": list(of), "one-1": [3_000, 5, 990, 3_000, 2], "one-2": [3_000, 0, 0, 0, 3]})
    members = pd.DataFrame({"community": "one", "species": ["A b", "C d"], "dna_share": [0.75, 0.25]})
    members["genus"] = ["A", "C"]
    for row in mock._findings("search", names, counts, members):
        assert [row[name] for name in ("members", "found", "missed", "invented")] == [2, 1, 1, 1]
    shares = mock._shares(names, counts, members).set_index("genus")["read_share"]
    assert shares.to_dict() == {"A": pytest.approx(0.6), "C": pytest.approx(0.0005)}


def test_what_the_smoke_profile_shows_does_not_depend_on_programs_of_the_machine():
    """Its outputs are stored; with another profile the programs are asked."""
    assert not [name for name in chapter_of("04_metagenomics", "smoke").runs if name.endswith(PROGRAMS)]
    asked = {name for name in chapter_of("04_metagenomics", "laptop").runs if name.endswith(PROGRAMS)}
    assert asked >= {f"{task}-{program}" for task in ("copies", "fair") for program in PROGRAMS}


def test_mates_agree_where_both_are_named():
    names = np.array([[name] * len(RANKS) for name in ("A", "A", "A", "B")], object)
    other = np.array([[name] * len(RANKS) for name in ("A", "B", "A", "B")], object)
    sure = np.repeat([[0.9], [0.9], [0.1], [0.9]], len(RANKS), axis=1)
    answers = [classifier.Answer(names, sure), classifier.Answer(other, np.full(sure.shape, 0.9))]
    found = measuring._agreement(answers, "family")
    assert found == {"rank": "family", "named": 0.75, "both_named": 3, "same": pytest.approx(2 / 3)}


def test_listed_accessions_choose_records_of_any_version(tmp_path, parameters):
    every = copies.genes_of(parameters.model_copy(update={"species": 0}))
    chosen = [name.split(".")[0] for name in every["name"][:5]]
    (tmp_path / "known.txt").write_text("\n".join(f"{name}.7" for name in chosen))
    listed = {"species": 0, "accessions": str(tmp_path / "known.txt")}
    found = copies.genes_of(parameters.model_copy(update=listed))
    assert sorted(found["name"].str.split(".").str[0]) == sorted(chosen)


def test_a_cut_list_of_accessions_is_one_line(tmp_path):
    path = tmp_path / "accessions.txt.gz"
    path.write_bytes(gzip.compress(b"AB000001.1\n" * 500)[:-20])
    with pytest.raises(DnakitError, match="truncated or damaged"):
        copies.accessions(str(path))


def test_a_read_lies_in_its_record_on_either_strand(table):
    for form in tasks.FORMS:
        reads = tasks.shown(table, form, 1)
        rows = ceiling.holding(reads["sequence"].tolist(), table["sequence"].tolist())
        names = table["name"].to_numpy()
        assert all(name in names[found] for name, found in zip(reads["name"], rows, strict=True))


# ---- the thesis's samples and methods


@pytest.fixture(scope="module")
def parameters():
    return chapter_of("04_metagenomics", "smoke", {"species": 8, "copies": 10}).parameters


@pytest.fixture(scope="module")
def samples(parameters):
    return copies.copies(parameters, seed=5)


def test_each_species_has_its_record_and_copies_that_differ_by_the_stated_rate(samples, parameters):
    assert np.bincount(samples.labels).tolist() == [10] * 8
    shares = []
    for sequence, label in zip(samples.sequences, samples.labels, strict=True):
        gene = np.frombuffer(samples.genes["sequence"][label], np.uint8)
        shares.append((np.frombuffer(sequence, np.uint8) != gene).mean())
    shares = np.array(shares).reshape(8, 10)
    assert (shares[:, 0] == 0).all()
    assert 0.005 < shares[:, 1:].mean() < 0.05
    assert shares.max() < 2 * parameters.highest_rate


def test_the_split_is_81_9_10_and_disjoint(samples):
    rows = np.concatenate([samples.rows[part] for part in copies.PARTS])
    assert sorted(rows) == list(range(80))
    assert [len(samples.rows[part]) for part in copies.PARTS] == [65, 7, 8]


def test_species_that_share_a_sequence_lower_the_ceiling(samples):
    assert copies.ceiling(samples) == {"top1": 1.0, "top5": 1.0, "in_training": 1.0}
    twins = samples.genes.assign(sequence=samples.genes["sequence"].iloc[0])
    shared = copies.Copies(twins, samples.sequences, samples.labels, samples.rows)
    assert copies.ceiling(shared)["top1"] == pytest.approx(1 / 8)
    assert copies.ceiling(shared)["top5"] == pytest.approx(5 / 8)


def test_a_species_without_training_copies_is_counted_and_lowers_no_ceiling(samples):
    train, test = samples.rows["train"], samples.rows["test"]
    absent = samples.labels[test[0]]
    rows = samples.rows | {"train": train[samples.labels[train] != absent]}
    found = copies.ceiling(copies.Copies(samples.genes, samples.sequences, samples.labels, rows))
    assert found == {"top1": 1.0, "top5": 1.0, "in_training": np.mean(samples.labels[test] != absent)}
    assert found["in_training"] < 1


def test_the_consensus_of_the_training_copies_is_the_record(samples):
    found, labels = methods.consensus(*samples.part("train"))
    assert [samples.genes["sequence"][label] for label in labels] == found


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_names_copies_on_either_strand(samples, method):
    made = methods.METHODS[method](*samples.part("train"))
    reads, truth = samples.part("test")
    turned = [reverse_complement(read) for read in reads]
    for asked in (reads, turned):
        ranked = made.rank(asked, 3)
        assert (ranked[:, 0] == truth).mean() >= 0.9
    assert ranked.shape == (8, 3)


def test_naive_bayes_is_scikit_learns():
    from sklearn.naive_bayes import MultinomialNB

    rng = np.random.default_rng(0)
    sequences = [rng.choice(np.frombuffer(b"ACGT", np.uint8), 300).tobytes() for _ in range(4)]
    labels, reads = np.array([0, 0, 1, 2]), [sequences[1][20:120], sequences[3][50:260]]
    model = MultinomialNB(alpha=methods.SMOOTHING, fit_prior=False)
    model.fit(methods.profiles(sequences), labels)
    expected = model.predict_joint_log_proba(methods.profiles(reads))
    scores = methods.naive_bayes(sequences, labels)._scores(reads)
    assert np.allclose(scores - scores[:, :1], expected - expected[:, :1], rtol=1e-4, atol=1e-2)


def test_controls_of_the_trained_species_see_the_samples_of_the_trainings(tmp_path):
    chosen = {"species": 8, "copies": 10, "trained_share": 0.5}
    chapter = chapter_of("04_metagenomics", "smoke", chosen)
    trained = copies.copies(chapter.parameters, chapter.parameters.seed, chapter.runs["none"].share)
    for method in ("ceiling", "consensus"):
        found = chapter.runs[f"trained-species-{method}"].compute(tmp_path).metrics
        assert found["species"] == len(trained.genes) == 4
    assert found["test"]["samples"] == len(trained.rows["test"])
    of_all = {"species": 8, "copies": 10}
    without = chapter_of("04_metagenomics", "smoke", of_all).runs
    assert not [name for name in without if name.startswith("trained-species-")]
    assert without["copies-consensus"].key == chapter.runs["copies-consensus"].key


def test_species_that_the_pretraining_has_read_are_found_by_gene_and_by_name(tmp_path, monkeypatch):
    table = tmp_path / "lineages.tsv"
    chapter = chapter_of("04_metagenomics", "smoke", {"species": 6, "copies": 10, "lineages": str(table)})
    run = chapter.runs["pretrained-species"]
    genes = copies.genes_of(chapter.parameters)
    lines = ["accession\tspecies\tlineage", f"g1\t{genes['species'][3]}\t", "g2\tHomo sapiens\t"]
    table.write_text("\n".join([*lines, f"g3\t{genes['species'][4]}\t"]) + "\n")
    records = [
        Record("g1", "", b"ACGT" * 50),
        Record("g2", "", b"TT" + reverse_complement(genes["sequence"][0]) + b"GG"),
        Record("g3", "", genes["sequence"][5]),  # a validation genome
    ]
    monkeypatch.setattr(corpus, "documents", lambda parameters: iter(records))
    monkeypatch.setattr(corpus, "prepare", lambda parameters: SimpleNamespace(genomes={"train": ["g1", "g2"]}))
    found = overlap.pretrained_species(run, tmp_path)
    rows = pd.read_csv(tmp_path / "species.csv").set_index("species")
    assert list(rows.index) == [genes["species"][0], genes["species"][3]]
    assert rows[["gene", "name"]].to_numpy().tolist() == [[True, False], [False, True]]
    assert found["pretrained"] == {"species": 2, "with_this_gene": 1, "test_samples": rows["test_samples"].sum()}
    assert found["genomes"] == 2
    assert found["test_samples"] == 6
    assert overlap.species_of(["g1"], "") == set()


# ---- results


def test_the_thesis_task_is_shown_with_the_species_of_the_trainings_and_with_all():
    from dnakit.report.finished import recorded

    table = results.of_copies(recorded("04_metagenomics"))
    few, every = sorted(set(table.index.get_level_values("species")))
    assert few < every
    assert results.of_all_copies(recorded("04_metagenomics")).equals(table.loc[every])
    for method in ("consensus", "naive-bayes", "search"):  # an easier task is not harder
        title = results.METHODS[method]
        assert table.loc[(few, title), "top-1"] >= table.loc[(every, title), "top-1"]
    assert not table.loc[few, "test samples"].dropna().nunique() > 1


def test_a_tenth_of_the_species_has_controls_of_its_own_where_the_three_trainings_have_all():
    laptop = chapter_of("04_metagenomics", "laptop").runs
    assert {laptop[name].share for name in ("mitochondria", "none", "nuclear")} == {1}
    shares = {run.share for name, run in laptop.items() if "-tenth-" in name or name.startswith("trained-species-")}
    assert shares == {0.1}
    smaller = chapter_of("04_metagenomics", "laptop", {"trained_share": 0.05}).runs
    assert smaller["trained-species-search"].share == smaller["none"].share == 0.05


def test_seeds_are_compared_one_by_one(tmp_path):
    from dnakit.report.finished import Finished

    top1 = {
        ("mitochondria", 1): 0.9,
        ("mitochondria", 2): 0.7,
        ("nuclear", 1): 0.8,
        ("nuclear", 2): 0.6,
        ("none", 1): 0.5,
    }
    folders = {}
    for (start, seed), value in top1.items():
        name = f"{start}-tenth-seed-{seed}"
        folders[name] = tmp_path / name
        folders[name].mkdir()
        store.write_json(folders[name] / "metrics.json", {"test": {"top1": value}})
        about = {"parameters": {"initialization": start, "seed": seed}, "classes": 20}
        store.write_json(folders[name] / "run.json", about)
    table = results.by_size(Finished("recorded", "laptop", folders)).loc[20]
    assert table["top-1"].to_dict() == pytest.approx(
        {
            "Mitochondria": 0.8,
            "Untrained": 0.5,
            "Hg38": 0.7,
            "Mitochondria minus Untrained": 0.4,
            "Mitochondria minus Hg38": 0.1,
            "Untrained minus Hg38": -0.3,
        }
    )
    assert table["seeds"].tolist() == [2, 1, 2, 1, 2, 1]
    for end in ("from", "to"):
        assert table[end].isna().tolist() == [False, True, False, True, False, True]
        assert table.loc["Mitochondria minus Hg38", end] == pytest.approx(0.1)
    assert table.loc["Mitochondria", "to"] == 1  # no accuracy is above


def test_every_result_can_be_made_of_nothing_and_shared_ranks_are_shares():
    from dnakit.report.finished import Finished

    nothing = Finished("recorded", "", {})
    for make in (
        results.fair,
        results.of_copies,
        results.calibration,
        results.strangers,
        results.communities,
        results.by_size,
        results.beyond_zero,
        results.encoders,
    ):
        assert make(nothing).empty
    for make in (model_results.effects, model_results.other_records):
        assert make(nothing).empty
    assert results.draw_curves(nothing) is None
    assert model_results.draw_errors(nothing) is None
    one, other = pd.Series(ranks("G a")), pd.Series(ranks("H a", "H"))
    from dnakit.chapters.metagenomics.fine_tuning import lowest_shared

    assert lowest_shared(one, other) == "family"
    assert lowest_shared(one, pd.Series(ranks("G b"))) == "genus"
    assert lowest_shared(one, pd.Series(dict.fromkeys(RANKS, "x"))) == "none"


def recorded_chapter():
    return finished.recorded("04_metagenomics")


def test_every_comparison_beyond_zero_is_shown_and_no_other():
    every, shown = results.comparisons(recorded_chapter()), results.beyond_zero(recorded_chapter())
    assert every.index.is_unique
    assert set(shown.index) <= set(every.index)
    assert ((shown["from"] > 0) != (shown["to"] < 0)).all()
    held = every.drop(shown.index)
    assert ((held["from"] <= 0) & (held["to"] >= 0)).all()
    said = results.behind(recorded_chapter())
    assert len(said.split(";")) == (shown["to"] < 0).sum()


def test_the_encoders_are_not_those_of_chapter_2_and_each_training_has_one():
    """What the page says under the table of encoders."""
    done = recorded_chapter()
    table = results.encoders(done)
    trainings = ", ".join(table["trainings"]).split(", ")
    assert sorted(trainings) == sorted(run.name for run in done.values() if "pretrained" in run.record)
    assert not set(results.of_chapter_2().values()) & set(table.index.get_level_values("key"))
    encoders = set(table.index.get_level_values("encoder"))
    assert encoders == {*results.of_chapter_2(), "committed-full-size"}


def test_what_the_page_calls_open_is_so():
    done = recorded_chapter()
    tenths = done.only(lambda run: results.TENTH in run.name)
    gain = results.by_size(tenths).xs("Mitochondria minus Untrained", level=1).iloc[0]
    assert gain["from"] < 0 < gain["to"]
    apart = model_results.effects(done)
    assert apart.loc[("Hg38", "Mitochondria"), "from"] < 0 < apart.loc[("Hg38", "Mitochondria"), "to"]
    order = model_results.other_records(done)["whole gene"]
    starts = [f"Longformer, {name}" for name in ("Hg38", "Mitochondria")]
    assert order[starts[0]] > order[starts[1]]  # text with equally many digits
    assert results.table_5_3(done).set_index("pretraining")["top1_accuracy"].idxmax() == "Mitochondria"


def test_species_that_the_pretraining_has_read_explain_little_of_what_it_gains():
    done = recorded_chapter()
    found, species = (done["pretrained-species"].metrics, done["pretrained-species"].frame("species.csv"))
    assert found["species"] == done["mitochondria"].record["classes"]
    assert found["test_samples"] == done["mitochondria"].record["samples"]["test"]
    assert found["pretrained"]["test_samples"] == species["test_samples"].sum()
    without = float(re.search(r"is ([+-][\d.]+) points", model_results.said_of_pretrained_species(done)).group(1))
    gain = 100 * model_results.effects(done).loc[("Mitochondria", "Untrained"), "top-1, first minus second"]
    most = (
        100 * found["pretrained"]["test_samples"] / found["test_samples"]
    )  # were they all right, and all wrong without
    assert gain - most < without < gain + most


def test_shares_within_the_order_are_compared_on_the_same_species():
    done = recorded_chapter()
    kept = done["pretraining-effect"].metrics["within_order"]
    numbers = {}
    for other in ("none", "nuclear", "mitochondria"):
        said = model_results.within_order_apart(done, "mitochondria", other)
        numbers[other] = [float(number) for number in re.findall(r"[+-][\d.]+", said)]
        gap = 100 * (kept["mitochondria"]["share"] - kept[other]["share"])
        assert numbers[other][0] == pytest.approx(gap, abs=0.051)
        assert numbers[other][1] <= numbers[other][0] <= numbers[other][2]
    assert numbers["mitochondria"] == [0, 0, 0]
    assert numbers["nuclear"][1] < 0 < numbers["nuclear"][2]  # open, as the page says
    assert numbers["none"][1] > 0


def test_the_wrong_names_that_the_thesis_prints_stand_in_the_columns_of_ours():
    printed, figures = model_results.published_errors(), thesis_table("figures")
    wrong = figures[figures["title"].str.startswith("A wrong species")]["number"]
    assert printed["figure"].map("{:.2f}".format).tolist() == wrong.tolist() == ["5.11", "5.12", "5.13"]
    ours = results.examples(recorded_chapter())
    assert list(printed.columns) == ["figure", *ours.columns]
    assert set(printed.index) == set(results.published()["pretraining"]) == set(ours.index)
    assert printed["query"].str.startswith("<cls> ").all()
    assert not set(printed["true"]) & set(printed["predicted"])
    shared = printed["lowest shared rank"]
    assert set(shared.str.split().str[0]) <= set(tasks.SHARED)
    below = shared.str.split().str[0].isin(tasks.WITHIN_ORDER)
    assert below.index[below].tolist() == ["Mitochondria"]  # what claim 12s-lower-level rests on


def test_errors_that_two_trainings_share_are_compared_copy_by_copy(tmp_path):
    """Other errors of one training alone change nothing, and with every shared pair alike the difference is zero."""
    one = pd.DataFrame({"sample": [1, 2, 3, 4], "true": ["G a", "G a", "G b", "G c"]})
    tables = {
        "one": one.assign(shared=["genus", "order", "class", "family"]),
        "other": one.iloc[[0, 1, 2]].assign(shared=["class", "order", "none"]),
    }
    done = {name: SimpleNamespace(frame=lambda *_, frame=frame, **__: frame) for name, frame in tables.items()}
    count, apart = model_results.within_order_of_shared(done, "one", "other")
    assert (count, apart.value) == (3, pytest.approx(1 / 3))
    assert apart.low == 0
    assert apart.high == 0.5  # the genus of G a twice: one of two copies
    back = model_results.within_order_of_shared(done, "other", "one")[1]
    assert back.value == -apart.value
    assert model_results.within_order_of_shared(done, "one", "one")[1].value == 0


def test_species_by_draw_are_those_that_a_count_of_names_finds():
    members = pd.DataFrame({"community": ["A", "A", "B"], "species": ["G a", "G b", "G a"], "genus": ["G"] * 3})
    counts = pd.DataFrame({"sequence": ["AC", "GT", "TT"], "A-1": [60, 40, 0], "B-1": [50, 0, 50]})
    names = np.array([[""] * 5 + ["G", name] for name in ("G a", "G b", "H c")], object)
    sure = {1: np.array([[1.0] * 7] * 3), 2: np.array([[1.0] * 6 + [end] for end in (0.9, 0.6, 0.1)])}
    table = mock._by_draw(names, sure, counts, members).set_index(["draw", "confidence"])
    assert table["found"].to_dict() == {(1, 0.8): 3, (1, 0.5): 3, (2, 0.8): 2, (2, 0.5): 3}
    assert table["invented"].to_dict() == {(1, 0.8): 1, (1, 0.5): 1, (2, 0.8): 0, (2, 0.5): 0}


def test_what_is_said_of_other_draws_is_what_was_recorded():
    run = recorded_chapter()["mock"]
    said, data = model_results.said_of_calibration(recorded_chapter()), run.frame("draws.csv")
    assert f"with {data['draw'].nunique()} other draws" in said
    bold = data[data["confidence"] == 0.5]
    assert f"{bold['found'].min()} to {bold['found'].max()} members at a confidence of 0.5" in said
    assert model_results.said_of_calibration(recorded_chapter().only(lambda _: False)) == ""


@pytest.mark.trained
def test_the_search_is_compared_read_by_read():
    runs = chapter_of("04_metagenomics", "smoke").runs
    task = ["level", "form", "rank"]
    shares = {
        method: pd.read_csv(runs[f"fair-{method}"].folder() / "accuracy.csv").set_index(task)["share"]
        for method in ("search", "cosine", "naive-bayes")
    }
    apart = pd.read_csv(runs["fair-differences"].folder() / "differences.csv").set_index(["method", *task])
    for method in ("cosine", "naive-bayes"):
        found = apart.loc[method]
        assert found["share"].to_dict() == pytest.approx((shares["search"] - shares[method]).to_dict(), abs=1e-4)
        assert (found["low"] <= found["share"]).all()
        assert (found["share"] <= found["high"]).all()


def with_ranks(table, **changes):
    return table.assign(**changes).reset_index(drop=True)


def test_a_reference_that_gives_no_calibration_says_what_its_records_lack(table):
    first = table["name"][0]
    for odd, message in (
        (with_ranks(table, species=""), f"0 of {len(table)} records have both; record '{first}' has no plain binomial"),
        (with_ranks(table, order=""), f"0 of {len(table)} records have both; record '{first}' has no order"),
        (table.head(8), "it takes about 40 records .* and 8 of 8 records have both"),
        (with_ranks(table, **{rank: table[rank][0] for rank in RANKS}, name=table["name"] + "x"), "of too few species"),
    ):
        with pytest.raises(DnakitError, match=f"no confidence can be calibrated on this reference: .*{message}"):
            classifier.calibrate(odd)
