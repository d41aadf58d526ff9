"""What a study file is told: line, key, need, remedy."""

from __future__ import annotations

import jsonschema
import pytest

from neurosim.errors import InputFileError
from neurosim.files.strict_yaml import parse_yaml
from neurosim_mapper.sweep import read_study, study_schema

HEAD = """\
schema: neurosim-study/1
name: a
fixed: {network: n.nir, chip: tianjic, input: x.npz}
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("grid: {wieght_bits: [8]}\n", "4: grid.wieght_bits is not a setting. Did you mean"),
        ("grid: {core.axon: [8]}\n", "is not a key of a chip file. Did you mean 'core.axons'?"),
        ("grid: {weight_bits: []}\n", "grid.weight_bits list should have at least 1 item"),
        ("grid: {weight_bits: [8, x]}\n", "needs to be a valid integer, has text 'x'."),
        ("grid: {seed: [1]}\nobjectives: {energy: min}\n", "is not a figure. Did you mean 'energy"),
        ("gird: {}\n", "4: gird is not a key of a study file. Did you mean 'grid'?"),
        ("", "needs 'grid' or 'points', what differs between points."),
        ("grid: {seed: [1], seed: [2]}\n", "is written twice"),
        ("grid: {coding: [8]}\n", "grid.coding[0] needs to be a valid string, has 8."),
    ],
)
def test_one_sentence_with_the_line(tmp_path, text, sentence):
    path = tmp_path / "study.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(InputFileError) as caught:
        read_study(path)
    assert str(caught.value).startswith(f"{path}:")
    assert sentence in str(caught.value)


def test_a_missing_setting(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("schema: neurosim-study/1\nname: a\ngrid: {seed: [1]}\n")
    with pytest.raises(InputFileError) as caught:
        read_study(path)
    names = ("network", "chip", "input")
    assert all(f"fixed needs the setting '{name}'" in str(caught.value) for name in names)


def test_the_schema_knows_what_the_reader_knows():
    schema = study_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    text = HEAD + "grid: {weight_bits: [4, 8], core.axons: [64]}\n"
    jsonschema.validate(parse_yaml(text.encode(), "s").data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            parse_yaml((HEAD + "grid: {weight_bits: [x]}\n").encode(), "s").data, schema
        )
