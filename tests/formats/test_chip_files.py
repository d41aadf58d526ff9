"""Chip files: the shipped ones, variants, YAML's traps, the JSON Schema, and files gone wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.chip.files import (
    builtin_chips,
    chip_from_dict,
    chip_schema,
    dump_chip,
    load_chip,
)
from neurosim.chip.model import SOURCED_SECTIONS, Chip
from neurosim.errors import InputFileError
from neurosim.files.strict_yaml import dump_yaml, parse_yaml, resolve

CONFIGS = Path(__file__).parents[2] / "chip_configs"


def load_text(folder: Path, text: str | bytes) -> Chip:
    path = folder / "c.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_chip(path)


def test_the_shipped_chips() -> None:
    expected = {"tianjic", "tianjic_array", "tianjic_strict", "truenorth", "truenorth_value8"}
    expected |= {"loihi", "loihi_spikes", "always64", "tiny_2x2", "tianjic_relay"}
    assert expected == set(builtin_chips())


@pytest.mark.parametrize("name", builtin_chips())
def test_a_shipped_chip_is_named_like_its_file_and_survives_its_own_data(name: str) -> None:
    chip = load_chip(name)
    assert chip.name == name
    assert Chip.model_validate(chip.to_dict()) == chip
    assert Chip.model_validate(json.loads(json.dumps(chip.to_dict()))) == chip
    assert load_chip(chip) is chip


@pytest.mark.parametrize("name", builtin_chips())
def test_a_dumped_chip_reads_back_equal_as_yaml_and_as_json(name: str, tmp_path: Path) -> None:
    chip = load_chip(name)
    assert load_text(tmp_path, dump_chip(chip)) == chip
    assert load_text(tmp_path, json.dumps(chip.to_dict())) == chip


@pytest.mark.parametrize("name", builtin_chips())
def test_every_number_of_a_shipped_chip_has_a_stated_source(name: str) -> None:
    chip = load_chip(name)
    data = chip.to_dict()
    for section in SOURCED_SECTIONS:
        for key, value in data[section].items():
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if section != "array" and (is_number or key == "fields"):
                source = chip.source_of(f"{section}.{key}")
                assert source is not None, f"{section}.{key}"
                assert "names no source" not in source.source, f"{section}.{key}"


def test_the_readme_explains_every_key_and_every_chip() -> None:
    text = (CONFIGS / "README.md").read_text()
    for section, node in Chip.model_json_schema()["properties"].items():
        assert f"| `{section}`" in text
        reference = node.get("$ref", "").rsplit("/", 1)[-1]
        if reference and section not in ("array", "grid"):
            part = Chip.model_json_schema()["$defs"][reference]
            for key in part["properties"]:
                assert f"`{section}.{key}`" in text, f"{section}.{key}"
    for name in builtin_chips():
        assert f"| `{name}` |" in text


def test_the_examples_of_the_readme_load(tmp_path: Path) -> None:
    text = (CONFIGS / "README.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    chip = load_text(tmp_path, example)
    assert chip.core.axons == 512
    assert chip.core.neurons == load_chip("tianjic").core.neurons


# variants


def test_a_variant_states_only_what_differs(tmp_path: Path) -> None:
    base = load_chip("tianjic")
    text = (
        "schema: neurosim-chip/1\nextends: tianjic\nname: v\ndescription: d\n"
        "core: {neurons: 128}\ndead_cores: [[0, 0]]\n"
        "energy:\n  mac_pj: {value: 9, kind: assumption, source: what if}\n"
    )
    expected = base.to_dict()
    expected.update(name="v", description="d", dead_cores=[[0, 0]])
    expected["core"]["neurons"] = 128
    expected["energy"]["mac_pj"] = {"value": 9, "kind": "assumption", "source": "what if"}
    chip = load_text(tmp_path, text)
    assert chip.model_copy(update={"sources": base.sources}) == chip_from_dict(expected)


def test_an_overridden_number_loses_the_source_of_the_number_it_replaced(tmp_path: Path) -> None:
    base = load_chip("tianjic")
    text = (
        "schema: neurosim-chip/1\nextends: tianjic\nname: v\ndescription: d\n"
        "core: {neurons: 128, axons: 100, weight_bits: 4}\n"
        "sources:\n"
        "  - {of: [core.axons], kind: derived, source: my own}\n"
    )
    chip = load_text(tmp_path, text)
    kinds = {key: chip.source_of(f"core.{key}") for key in ("axons", "neurons", "weight_bits")}
    assert [source.kind if source else None for source in kinds.values()] == [
        "derived",
        "assumption",
        "assumption",
    ]
    assert chip.source_of("core.synapses") == base.source_of("core.synapses")


def test_a_variant_speaks_about_its_own_numbers_only(tmp_path: Path) -> None:
    text = (
        "schema: neurosim-chip/1\nextends: tianjic\nname: v\ndescription: d\n"
        "noc: {router_cycles: 5}\n"
        "sources:\n  - {of: [noc], kind: derived, source: my own}\n"
    )
    chip = load_text(tmp_path, text)
    kinds = [chip.source_of(f"noc.{key}") for key in ("router_cycles", "link_cycles")]
    assert [source.kind if source else None for source in kinds] == ["derived", "assumption"]


# scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-12", 3e-12),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-7", -7),
        ("0", 0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        # YAML 1.1 reads these as 8, 16, 750, 1000, True, False, True, infinity, nan, a date
        *((trap, trap) for trap in ("010", "0x10", "12:30", "1_000", "yes", "no", "on")),
        *((trap, trap) for trap in (".inf", ".nan", "2019-08-01", "e5", ".", "-", "1e", "True")),
    ],
)
def test_plain_scalars(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)
    assert parse_yaml(f'a: "{text}"'.encode(), "t").data == {"a": text}


PLAIN_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["010", "12:30", "3e-12", "yes", "null", "", "~", "- a", "a: b", "#", "<<"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@given(PLAIN_DATA)
@settings(max_examples=150, deadline=None)
def test_what_is_dumped_is_read_back(data: Any) -> None:
    assert parse_yaml(dump_yaml(data).encode(), "t").data == data


def test_lines_of_key_paths() -> None:
    document = parse_yaml(b"a: 1\nb:\n  c: [1,\n   2]\n  d:\n   - e: x\n", "t")
    found = {path: document.lines[path] for path in document.lines}
    assert found == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 3,
        ("b", "c", 1): 4,
        ("b", "d"): 5,
        ("b", "d", 0): 6,
        ("b", "d", 0, "e"): 6,
    }
    assert document.line_of(("b", "c", 7, "x")) == 3
    assert document.line_of(("nothing",)) == 1


# JSON Schema


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_schema_is_closed_and_describes_every_key() -> None:
    schema = chip_schema()
    assert json.loads(json.dumps(schema)) == schema
    for reference in _references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]
    for name, part in schema["$defs"].items():
        assert part["additionalProperties"] is False
        for key, node in part["properties"].items():
            described = "description" in node or "$ref" in node
            assert described, f"{name}.{key}"
    assert schema["$defs"]["ChipVariant"]["required"] == ["extends", "name", "description"]
    assert "dead_cores" not in schema["$defs"]["Chip"]["required"]
    assert "send_zero" in schema["$defs"]["Core"]["required"]
    assert schema["$defs"]["QuantityVariant"]["required"] == ["value", "source", "kind"]


@pytest.mark.parametrize("name", builtin_chips())
def test_the_schema_accepts_the_shipped_files(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    data = parse_yaml((CONFIGS / f"{name}.yaml").read_bytes(), name).data
    jsonschema.Draft202012Validator(chip_schema()).validate(data)
    complete = load_chip(name).to_dict()
    jsonschema.Draft202012Validator(chip_schema()).validate(complete)
    complete["core"]["axon"] = 3
    assert not jsonschema.Draft202012Validator(chip_schema()).is_valid(complete)


# files gone wrong


SOURCES = {name: (CONFIGS / f"{name}.yaml").read_bytes() for name in builtin_chips()}
SNIPPETS = [b"[", b"{", b"]", b": ", b"- ", b"\n", b"*x ", b"&x ", b"!!int ", b"!x", b"'", b'"']
SNIPPETS += [b"\xff", b"\x00", b"\\U99999999", b"%YAML 9.9\n", b"---\n", b"? ", b"|\n", b"1e999"]
SNIPPETS += [b"9" * 50, b"<<: ", b"extends: tianjic\n", b"null", b"-1", b"\t", b"\xef\xbb\xbf"]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(SOURCES[data.draw(st.sampled_from(sorted(SOURCES)))])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        stop = start + data.draw(st.integers(0, 30))
        content[start:stop] = data.draw(st.sampled_from(SNIPPETS) | st.binary(max_size=8))
    folder = tmp_path_factory.getbasetemp()
    refusal = None
    try:
        load_text(folder, bytes(content))
    except InputFileError as error:  # any other exception fails the test
        refusal = str(error)
    assert refusal != ""


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_wrong_values_anywhere_are_refused_with_a_sentence(data: st.DataObject) -> None:
    chip = load_chip("tiny_2x2").to_dict()
    target: Any = chip
    while True:
        key = data.draw(
            st.sampled_from(list(target) if isinstance(target, dict) else range(len(target)))
        )
        if not isinstance(target[key], (dict, list)) or not target[key]:
            break
        if data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = data.draw(PLAIN_DATA)
    refusal = "chip"
    try:
        chip_from_dict(chip)
    except InputFileError as error:  # any other exception fails the test
        refusal = str(error)
    assert refusal.startswith("chip")


def test_an_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    with pytest.raises(InputFileError, match="uses the alias"):
        load_text(tmp_path, "\n".join(lines))
