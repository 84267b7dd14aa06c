"""What chapter 6 measures on its trained models: masked tokens and their lengths, and what a training costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnakit.chapters.appendix_b.parameters import LARGE, LONGFORMER, Parameters
from dnakit.chapters.appendix_b.trainings import Pretraining
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import corpus_key


@dataclass(frozen=True)
class Predictions(Run):
    """Predictions of the masked tokens of the test genomes: Figures B.1 and B.2, and the lengths of wrong tokens."""

    recipe = "masked tokens 1"

    parameters: Parameters
    pretrained: Sequence[Pretraining]

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "masked tokens of the test genomes, and the lengths of wrong ones"

    def inputs(self) -> Mapping[str, Any]:
        """The keys of the models, and how long an example is."""
        models = {run.name: run.key for run in self.pretrained}
        return {"models": models} | self.parameters.model_dump(include={"example_tokens", "seed"})

    def needs(self) -> Sequence[Run]:
        """The models."""
        return self.pretrained

    def compute(self, folder: Path) -> Outcome:
        """Write ``lengths.csv`` (a row for each method and group of tokens) and ``examples.csv`` (Figures B.1, B.2)."""
        import pandas as pd

        from dnakit.chapters.appendix_b import examples, lengths, predictions

        by_name = {run.name: run for run in self.pretrained}
        tokens = predictions.masked_test_tokens(by_name[f"mlm-{LARGE}"], self.parameters.seed)
        found = {name: predictions.predict(run, tokens) for name, run in by_name.items()}
        found["boundaries"] = predictions.by_boundaries(tokens)
        tables = [lengths.table(tokens, each).assign(method=name) for name, each in found.items()]
        pd.concat(tables).to_csv(folder / "lengths.csv", index=False, float_format="%.6g")
        chosen = examples.choose(tokens, found[f"mlm-{LARGE}"], self.parameters.example_tokens)
        chosen.to_csv(folder / "examples.csv", index=False)
        return Outcome(lengths.summary(tables), self._record(tokens))

    def _record(self, tokens: Any) -> dict[str, Any]:
        settings = self.parameters.model_dump(include={"example_tokens", "seed"})
        return _of_corpus(self.pretrained[0], settings) | {"samples": {"test": len(tokens.shown)}}


@dataclass(frozen=True)
class Boundaries(Run):
    """The masked tokens of the test genomes as the visible boundaries alone name them: it needs no model."""

    recipe = "boundaries alone 1"

    parameters: Parameters
    pretrained: Pretraining

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "lengths of masked tokens that the visible boundaries alone give away"

    def inputs(self) -> Mapping[str, Any]:
        """The key of the corpus, and the seed of the masks."""
        return {"corpus": corpus_key(self.pretrained.corpus), "seed": self.parameters.seed}

    def compute(self, folder: Path) -> Outcome:
        """Write ``lengths.csv``: a row for each group of tokens."""
        from dnakit.chapters.appendix_b import lengths, predictions

        tokens = predictions.masked_test_tokens(self.pretrained, self.parameters.seed)
        table = lengths.table(tokens, predictions.by_boundaries(tokens)).assign(method="boundaries")
        table.to_csv(folder / "lengths.csv", index=False, float_format="%.6g")
        record = _of_corpus(self.pretrained, {"seed": self.parameters.seed})
        return Outcome(lengths.summary([table]), record | {"samples": {"test": len(tokens.shown)}})


@dataclass(frozen=True)
class Costs(Run):
    """Parameters, operations and time of one step of each training."""

    recipe = "costs of training 2"

    parameters: Parameters
    trained: Sequence[Run]

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "parameters, operations and time of a training step of each model"

    def inputs(self) -> Mapping[str, Any]:
        """The keys of the trainings."""
        return {"trainings": {run.name: run.key for run in self.trained}}

    def needs(self) -> Sequence[Run]:
        """The trainings."""
        return self.trained

    def compute(self, folder: Path) -> Outcome:
        """Write ``costs.csv``: a row for each training."""
        import pandas as pd

        from dnakit.chapters.appendix_b import costs
        from dnakit.models import device

        table = pd.DataFrame([costs.measure(run) for run in self.trained])
        table.to_csv(folder / "costs.csv", index=False, float_format="%.6g")
        small = next(run for run in self.trained if isinstance(run, Pretraining) and run.name == f"mlm-{LONGFORMER}")
        record = _of_corpus(small, {"seed": self.parameters.seed}) | {"computed_in": device.resolved("auto")}
        return Outcome({"trainings": len(table)}, record)


def _of_corpus(run: Pretraining, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of a measurement on the corpus of a pretraining says."""
    from dnakit.data import sources
    from dnakit.models import device

    about = {"parameters": dict(settings), "corpus": run.corpus.named(), "device": device.in_words()}
    return about | sources.about(run.corpus.sources)
