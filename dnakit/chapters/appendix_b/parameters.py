"""The parameters of chapter 6: how long each model is trained, on how much of the earlier chapters' data."""

from typing import Any

from pydantic import Field, model_validator

from dnakit.chapters.chapter import ChapterParameters, Epochs, chapter_of

LONGFORMER, ELMO, LARGE = MODELS = "longformer", "elmo", "large-longformer"  # the order of all lists


class Parameters(ChapterParameters):
    """The values of the notebook's parameters cell, which says what each of them means.

    The lists of epochs and rates have an entry for each of `MODELS`; those of pretraining lack ELMo, which has none.
    """

    chapters: str
    genomes: int
    pretraining_epochs: list[Epochs]
    pretraining_rates: list[float]
    tss_samples: int = Field(ge=0)
    tss_epochs: list[Epochs]
    tss_rates: list[float]
    species_share: float = Field(gt=0, le=1)
    species_epochs: list[Epochs]
    species_rates: list[float]
    chromatin_samples: int = Field(ge=0)
    chromatin_epochs: list[Epochs]
    chromatin_rates: list[float]
    example_tokens: int = Field(ge=4, le=200)
    precision: str
    seed: int = Field(ge=0, lt=2**32)

    @model_validator(mode="after")
    def _a_value_for_each_model(self) -> "Parameters":
        for name in type(self).model_fields:
            if name.endswith(("_epochs", "_rates")):
                wanted = 2 if name.startswith("pretraining") else len(MODELS)
                if len(getattr(self, name)) != wanted:
                    raise ValueError(f"{name!r} must have {wanted} entries, one for each model")
        return self

    def pretraining(self, model: str) -> tuple[int, float]:
        """Epochs and learning rate of a pretraining."""
        at = [LONGFORMER, LARGE].index(model)
        return self.pretraining_epochs[at], self.pretraining_rates[at]

    def task(self, task: str, model: str) -> dict[str, Any]:
        """Epochs and learning rate of a model in a task (``tss``, ``species`` or ``chromatin``), as parameters."""
        at = MODELS.index(model)
        epochs, rates = (getattr(self, f"{task}_{what}") for what in ("epochs", "rates"))
        return {"epochs": epochs[at], "learning_rate": rates[at]}

    def earlier(self, notebook: str, **changes: Any) -> Any:
        """The parameters of an earlier chapter in the profile `chapters`, with others in place of some."""
        return chapter_of(
            notebook, self.chapters, {"precision": self.precision, "seed": self.seed} | changes
        ).parameters
