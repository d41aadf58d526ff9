"""The settings of one point of a study: everything that `map` and `simulate` can be told."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """One point, apart from the changes to its chip."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    network: str = Field(description="Checkpoint, relative to the study file.")
    chip: str = Field(description="Shipped chip, or a chip file relative to the study file.")
    input: str = Field(description="npz with x and y, relative to the study file.")
    samples: Count | None = Field(None, description="Use the first samples only.")
    ticks: Count | None = Field(None, description="Ticks that a static sample is shown for.")
    encoder: Literal["repeat", "rate", "latency"] | None = Field(
        None, description="How a static sample becomes ticks."
    )
    full_scale: Annotated[float, Field(gt=0, strict=False)] = Field(
        1.0, description="Largest input value, for spike codes."
    )
    calibration: str | None = Field(None, description="npz with typical inputs x.")
    reading: str | None = Field(None, description="Framework of a foreign file.")
    coding: str = Field(
        "trained",
        description="What hidden neurons send: trained (as the checkpoint says), values, spikes, "
        "or the values as spike trains: rate:N, ttfs:N, phase:B.",
    )
    noc: Literal["ideal", "cycle"] = Field("ideal", description="Network model.")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of every random choice.")
    partitioner: str | None = Field(None, description="How layers are cut into cores.")
    placer: str | None = Field(None, description="How cores are placed.")
    effort: Count | None = Field(None, description="Moves of the placer.")
    conv: Literal["auto", "shared", "unrolled"] | None = Field(
        None, description="Shared convolution kernels, or a weight per synapse."
    )
    weight_bits: Count | None = Field(None, description="Bits of a weight.")
    weight_shift: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Fraction bits of potentials."
    )
    per_channel: bool | None = Field(None, description="A weight scale per channel, or per layer.")
    activation_range: Literal["minmax", "percentile", "mse"] | None = Field(
        None, description="Range of analog values, from the calibration."
    )
    percentile: Annotated[float, Field(gt=0, le=100, strict=False)] | None = Field(
        None, description="For the activation range."
    )
    input_kind: Literal["auto", "spike", "analog"] | None = Field(
        None, description="Packets of the input."
    )

    def mapping_options(self) -> dict[str, Any]:
        """Keyword arguments of `map_network`; what is not set is left to it."""
        values = {name: getattr(self, name) for name in MAPPING}
        return {name: value for name, value in values.items() if value is not None}


MAPPING: Final = (
    "partitioner",
    "placer",
    "effort",
    "conv",
    "weight_bits",
    "weight_shift",
    "per_channel",
    "activation_range",
    "percentile",
    "input_kind",
)
FILES: Final = ("network", "input", "calibration")
"""Settings that name a file."""
