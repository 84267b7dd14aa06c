"""One training of chapter 2: a row of Table 5.1, or the same with another budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dnakit import store
from dnakit.chapters.pretraining.parameters import Parameters, parts_of
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import CorpusParameters, corpus_key
from dnakit.training import LAST

LANGUAGES = {"mitochondria": "", "nuclear": "-nuclear"}  # and how the names of their models end
GLOBAL_CLS = "global-cls"


@dataclass(frozen=True)
class PretrainingRun(Run):
    """A masked language model, trained on one corpus.

    Parameters
    ----------
    model
        Which architecture, tokenization, task and genome (see `Parameters`); a row of Table 5.1 is named alike.
    """

    recipe = "pretraining 2"

    parameters: Parameters
    model: str

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The corpus it is trained on."""
        return self.parameters.corpus_of(self.model)

    @property
    def language(self) -> str:
        """The language it learns, one of `LANGUAGES`."""
        ending = parts_of(self.model)["nuclear"] or ""
        return next(language for language, end in LANGUAGES.items() if end == ending)

    @property
    def title(self) -> str:
        """What is trained, in words."""
        corpus, parts = self.corpus, parts_of(self.model)
        where = ", ".join(Path(source).name for source in corpus.sources)
        return f"{parts['architecture']}, {corpus.tokenization}, {parts['head']}, {corpus.amount} of {where}"

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the model that are not the thesis's."""
        return self.parameters.sizes_of(parts_of(self.model)["architecture"])

    @property
    def options(self) -> dict[str, Any]:
        """Options of the model that are not its head's own."""
        return {}

    @property
    def settings(self) -> dict[str, Any]:
        """What, besides the corpus, decides the result."""
        parts, chapter = parts_of(self.model), self.parameters
        return {
            "architecture": parts["architecture"],
            "head": parts["head"],
            "mlm_loss": chapter.mlm_loss,
            "masking": chapter.masking,
            **self._initial_weights(),
            **self.sizes,
            **self.options,
            **chapter.training(),
            "epochs": chapter.nuclear_epochs if parts["nuclear"] else chapter.epochs,
        }

    def _initial_weights(self) -> dict[str, str]:
        # Runs from before there was a choice keep their keys.
        weights = self.parameters.initial_weights
        return {} if weights == "random" else {"fresh_weights": weights}

    def inputs(self) -> Mapping[str, Any]:
        """Settings, and the key of the corpus."""
        return self.settings | {"corpus": corpus_key(self.corpus)}

    def shorter(self) -> Path | None:
        """The finished run in the store that goes farthest of those that are this one but for fewer epochs."""
        for epochs in range(self.settings["epochs"] - 1, 0, -1):
            folder = store.path_of("runs", store.key(self.recipe, {**self.inputs(), "epochs": epochs}))
            if (folder / LAST).exists():
                return folder
        return None

    def compute(self, folder: Path) -> Outcome:
        """Train it: see `dnakit.chapters.pretraining.pretrain`."""
        from dnakit.chapters.pretraining.pretrain import pretrain

        return pretrain(self, folder)


@dataclass(frozen=True)
class GlobalCls(PretrainingRun):
    """A row of masked language modelling whose ``<cls>`` is global, as heads on ``<cls>`` want it."""

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"{super().title}, <cls> global"

    @property
    def options(self) -> dict[str, Any]:
        """``<cls>`` is global."""
        return {"global_attention": "cls"}
