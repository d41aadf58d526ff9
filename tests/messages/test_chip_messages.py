"""What a user reads when a chip file is wrong: file, line, key, need, has, and what would help."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurosim.chip.files import load_chip
from neurosim.errors import InputFileError, UsageError

HEAD = "schema: neurosim-chip/1\nextends: tiny_2x2\nname: mine\ndescription: a test\n"
"""Four lines; what a test adds begins in line 5."""


def message(folder: Path, text: str | bytes, name: str = "c.yaml") -> str:
    """The error of a chip file, with the folder taken out."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputFileError) as caught:
        load_chip(path)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "core: {axon: 8}\n",
            "c.yaml:5: core.axon is not a key of a chip file. Did you mean 'axons'?",
        ),
        (
            "axons: 8\n",
            "c.yaml:5: axons is not a key of a chip file. It belongs in section 'core'.",
        ),
        (
            "grid:\n  deep: 8\n",
            "c.yaml:6: grid.deep is not a key of a chip file. Known here: wide, high.",
        ),
        (
            "core:\n  axons: '16'\n",
            "c.yaml:6: core.axons needs a whole number from 1 to 2147483647, has text '16'. "
            "Write the number without quotes.",
        ),
        (
            "core:\n  axons: 010\n",
            "c.yaml:6: core.axons needs a whole number from 1 to 2147483647, has text '010'. "
            "Write 10, without leading zeros.",
        ),
        (
            "core:\n  axons: 12:30\n",
            "c.yaml:6: core.axons needs a whole number from 1 to 2147483647, has text '12:30'. "
            "Write one decimal number; a colon does not separate hours and minutes here.",
        ),
        (
            "core:\n  axons: 1_0\n",
            "c.yaml:6: core.axons needs a whole number from 1 to 2147483647, has text '1_0'. "
            "Write 10.",
        ),
        (
            "core:\n  axons: 0x10\n",
            "c.yaml:6: core.axons needs a whole number from 1 to 2147483647, has text '0x10'. "
            "Write a decimal number.",
        ),
        (
            "core:\n  send_zero: yes\n",
            "c.yaml:6: core.send_zero needs true or false, has text 'yes'. Write true.",
        ),
        (
            "core:\n  send_zero: Off\n",
            "c.yaml:6: core.send_zero needs true or false, has text 'Off'. Write false.",
        ),
        (
            "core:\n  weight_bits: 17\n",
            "c.yaml:6: core.weight_bits needs a whole number from 1 to 16, has 17.",
        ),
        (
            "core:\n  rounding: neerest\n",
            "c.yaml:6: core.rounding needs one of nearest, floor, toward_zero, has text "
            "'neerest'. Did you mean 'nearest'?",
        ),
        (
            "core:\n  soma_models: [liaf, lif]\n",
            "c.yaml:6: core.soma_models[1] needs one of liaf, cuba, truenorth, has text 'lif'. "
            "Did you mean 'liaf'?",
        ),
        ("core:\n", "c.yaml:5: core needs a section with the keys axons, neurons, synapses, "),
        (
            "energy:\n  mac_pj: {value: 1, kind: assumption}\n",
            "c.yaml:6: energy.mac_pj.source is missing: needs text.",
        ),
        (
            "energy:\n  mac_pj: {value: 1, kind: assumed, source: none known}\n",
            "c.yaml:6: energy.mac_pj.kind needs one of published, derived, assumption, has text "
            "'assumed'.",
        ),
        (
            "energy:\n  mac_pj: {value: 1, kind: published, source: 2014}\n",
            "c.yaml:6: energy.mac_pj.source needs text, has 2014. Put it in quotes.",
        ),
        (
            "noc:\n  router_cycles: 5\n",
            "c.yaml:6: noc.router_cycles needs an entry in 'sources' (of: [noc.router_cycles], "
            "source: ..., kind: ...).",
        ),
        (
            "sources:\n  - {of: [core.axon], source: a book, kind: published}\n",
            "c.yaml:6: sources[0].of[0] names no key of plain numbers: 'core.axon'. "
            "Did you mean 'core.axons'?",
        ),
        (
            "dead_cores: [[0, 0]]\ndead_cores: [[0, 1]]\n",
            "c.yaml:6: dead_cores is written twice, first in line 5; keep one.",
        ),
        (
            "dead_cores: [[0, 0], [5, 0]]\n",
            "c.yaml:5: dead_cores[1] needs a core of the 2 x 2 grid, has (5, 0).",
        ),
        (
            "dead_cores: [[0]]\n",
            "c.yaml:5: dead_cores[0][1] is missing: needs a whole number from 0 to 2147483647.",
        ),
        (
            "core: &core\n  axons: 8\ngrid: *core\n",
            "c.yaml:7: grid uses the alias '*core'; write the value out.",
        ),
        (
            "core:\n  axons: !!python/object/apply:os.system [ls]\n",
            "c.yaml:6: core.axons has the tag 'tag:yaml.org,2002:python/object/apply:os.system'; "
            "tags are not used here.",
        ),
    ],
)
def test_one_problem_is_one_sentence(tmp_path: Path, body: str, expected: str) -> None:
    text = message(tmp_path, HEAD + body)
    assert text == expected or (not expected.endswith((".", "?")) and text.startswith(expected))
    assert "\n" not in text


def test_all_problems_in_one_report_in_order_of_lines(tmp_path: Path) -> None:
    body = (
        "grid: {wide: 2, hihg: 2}\n"
        "core:\n  axons: 0\n  axons: 8\n  neurons: twelve\n"
        "noc:\n  n_vcs: 2\n"
    )
    assert message(tmp_path, HEAD + body) == (
        "c.yaml has 5 problems:\n"
        "  c.yaml:5: grid.hihg is not a key of a chip file. Did you mean 'high'?\n"
        "  c.yaml:7: core.axons needs a whole number from 1 to 2147483647, has 0.\n"
        "  c.yaml:8: core.axons is written twice, first in line 7; keep one.\n"
        "  c.yaml:9: core.neurons needs a whole number from 1 to 2147483647, has text 'twelve'.\n"
        "  c.yaml:11: noc.n_vcs needs an entry in 'sources' (of: [noc.n_vcs], source: ..., "
        "kind: ...)."
    )


def test_rules_between_sections_are_judged_in_spite_of_unknown_keys(tmp_path: Path) -> None:
    text = message(tmp_path, HEAD + "dead_cores: [[9, 9]]\ncolour: red\n")
    assert "dead_cores[0] needs a core of the 2 x 2 grid" in text
    assert "colour is not a key" in text


def test_a_misspelt_key_is_one_problem_not_two(tmp_path: Path) -> None:
    complete = Path(__file__).parents[2] / "chip_configs" / "tiny_2x2.yaml"
    text = complete.read_text().replace("  axons: 16", "  axon: 16", 1)
    text = text.replace("  send_zero:", "  send_zeros:")
    lines = message(tmp_path, text).splitlines()
    assert lines[0] == "c.yaml has 2 problems:"
    assert lines[1].endswith("core.axon is not a key of a chip file. Did you mean 'axons'?")
    assert lines[2].endswith("send_zeros is not a key of a chip file. Did you mean 'send_zero'?")


def test_a_complete_file_has_no_silent_defaults(tmp_path: Path) -> None:
    complete = Path(__file__).parents[2] / "chip_configs" / "tiny_2x2.yaml"
    text = complete.read_text().replace("  send_zero: false\n", "").replace("  n_vcs: 1\n", "")
    lines = text.splitlines()
    core, noc = lines.index("core:") + 1, lines.index("noc:") + 1
    assert message(tmp_path, text) == (
        "c.yaml has 2 problems:\n"
        f"  c.yaml:{core}: core.send_zero is missing: needs true or false (most chips: false).\n"
        f"  c.yaml:{noc}: noc.n_vcs is missing: needs a whole number from 1 to 64 (most chips: 1)."
    )


def test_a_variant_says_its_own_name(tmp_path: Path) -> None:
    text = message(tmp_path, "schema: neurosim-chip/1\nextends: tianjic\n")
    assert "name is missing" in text
    assert "description is missing" in text


def test_a_long_report_is_cut(tmp_path: Path) -> None:
    text = message(tmp_path, HEAD + "".join(f"colour{n}: red\n" for n in range(100)))
    assert text.startswith("c.yaml has 100 problems:")
    assert text.endswith("... and 70 more.")
    assert len(text.splitlines()) == 32


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "c.yaml: a chip file needs keys, has nothing."),
        (b"- a\n", "c.yaml: a chip file needs keys, has a list of 1 entries."),
        (b"just text", "c.yaml: a chip file needs keys, has text 'just text'."),
        (
            b"a: 1\n\xff\xfe: 2\n",
            "c.yaml:2: is not UTF-8 text (byte 0xff). Save the file as UTF-8.",
        ),
        (
            b"a: 1\nb: \x00\n",
            "c.yaml:2: is not valid YAML: character 0x00 is not allowed.",
        ),
        (
            b"a: 1\nb: [1, 2\n",
            "c.yaml:3: is not valid YAML: expected ',' or ']', but got '<stream end>' (column 1).",
        ),
        (b"a: 1\n---\nb: 1\n", "c.yaml:2: a second document starts here, needs exactly one."),
        (b"a: 1\n? [1]\n: 2\n", "c.yaml:2: a key needs to be text, here is a list or a section."),
        (b"[" * 100, "c.yaml:1: sections are nested deeper than 16 levels, the limit."),
        (b"- 1\n" * 60_000, "c.yaml:50000: the file has more than 50000 entries, the limit."),
        (b"#" * 1_000_001, "chip file 'c.yaml' is larger than 1000000 bytes, the limit."),
    ],
)
def test_files_that_cannot_be_read_as_yaml(tmp_path: Path, content: bytes, expected: str) -> None:
    assert message(tmp_path, content) == expected


def test_an_unknown_name_suggests_and_lists() -> None:
    with pytest.raises(UsageError) as caught:
        load_chip("Tianjik")
    assert str(caught.value) == (
        "unknown chip 'Tianjik'. Did you mean 'tianjic'? Shipped chips: always64, loihi, "
        "loihi_spikes, tianjic, tianjic_array, tianjic_relay, tianjic_strict, tiny_2x2, "
        "truenorth, truenorth_value8; or give the path of a .yaml file."
    )
    assert caught.value.exit_code == 2


def test_extends_an_unknown_chip(tmp_path: Path) -> None:
    text = message(tmp_path, "extends: truenorht\n")
    assert text.startswith(
        "c.yaml:1: extends needs the name of a shipped chip, has text 'truenorht'. "
        "Did you mean 'truenorth'? Shipped chips: always64,"
    )


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"chip file 'no/such.yaml' does not exist\.$"):
        load_chip("no/such.yaml")
    with pytest.raises(InputFileError, match="For the shipped chip, write 'tianjic'"):
        load_chip("tianjic.yaml")
    with pytest.raises(InputFileError, match=r"cannot be read: it is a folder\.$"):
        load_chip(tmp_path)
    with pytest.raises(InputFileError, match="not a regular file"):
        load_chip("/dev/zero")
    with pytest.raises(UsageError, match="needs a chip name, a path or a Chip, has int"):
        load_chip(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a\0b", "a" * 5000, "x/" + "a" * 5000, "a\0b.yaml", "~"])
def test_strange_names_are_refused(name: str) -> None:
    with pytest.raises((UsageError, InputFileError)):
        load_chip(name)
