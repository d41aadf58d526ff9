"""Chosen neurons: how they are written, and that a page shows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chain import chain_run

from neurosim.errors import UsageError
from neurosim.report.neuron_choice import parse_choices
from neurosim.report.rasters import membrane_charts, rasters
from neurosim.report.view import view_of_run

SIZES = {"hidden": 20, "out": 3, "odd:1": 2}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["hidden"], {"hidden": ()}),
        (["hidden:3,7,12-15"], {"hidden": (3, 7, 12, 13, 14, 15)}),
        (["hidden:7", "hidden:3,7", "out:2-0"], {"hidden": (3, 7), "out": (0, 1, 2)}),
        (["odd:1", "odd:1:1"], {"odd:1": (1,)}),
        ([], {}),
    ],
)
def test_what_is_written_and_what_it_means(texts, expected):
    assert parse_choices(texts, SIZES, "--probe") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "hiden:3",
            "--probe hiden:3: there is no layer 'hiden'; known: hidden, out, odd:1. Single ",
        ),
        ("out:3", "--probe out:3: layer 'out' has 3 neurons, counted from 0."),
        ("out:0-999999999999", "--probe out:0-999999999999: layer 'out' has 3 neurons"),
        ("out:-1", "there is no layer 'out:-1'"),
        ("hidden:a", "there is no layer 'hidden:a'"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(UsageError) as caught:
        parse_choices([text], SIZES, "--probe")
    assert message in str(caught.value)
    with pytest.raises(UsageError, match="25 neurons; at most 24 per layer"):
        parse_choices(["wide:0-24"], {"wide": 99}, "--neurons")
    with pytest.raises(UsageError, match="known: none"):
        parse_choices(["out:1"], {}, "--neurons")


def test_a_page_shows_the_chosen_neurons():
    view = view_of_run(chain_run(np.array([[5, 0, 3]])))
    values = np.arange(15, dtype=np.int32).reshape(1, 3, 5)
    view = replace(view, values={"relay1": values}, membrane={"relay1": values})
    (_, chart), *_ = membrane_charts(view)
    assert all(f"neuron {i}" in chart for i in range(5))
    view = replace(view, shown={"relay1": np.array([1, 3])})
    (_, chart), *_ = membrane_charts(view)
    assert [i for i in range(5) if f"neuron {i}" in chart] == [1, 3]
    raster = next(r for r in rasters(view) if r.layer == "relay1")
    assert (raster.neurons, raster.note) == (2, "Neurons 1, 3.")
