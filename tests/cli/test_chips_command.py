"""``neurosim chips``: list, detail, JSON and schema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from neurosim.chip.files import builtin_chips, chip_schema, load_chip
from neurosim.errors import InputFileError, NeurosimError, UsageError
from neurosim_cli.chips import chips


def run(*arguments: str) -> str:
    result = CliRunner().invoke(chips, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_list_fits_80_columns_and_names_every_chip() -> None:
    output = run()
    assert max(len(line) for line in output.splitlines()) <= 80
    rows = {line.split()[0]: line.split() for line in output.splitlines() if line.strip()}
    for name in builtin_chips():
        chip = load_chip(name)
        assert rows[name][-5:-2] == [
            f"{chip.n_cores:,}",
            f"{chip.core.axons:,}",
            f"{chip.core.neurons:,}",
        ]
    assert rows["tianjic"][-2:] == ["32", "40"]
    assert rows["truenorth"][-2:] == ["32", "-"]


def test_one_chip_shows_every_number_with_its_kind_and_its_source() -> None:
    output = run("loihi")
    assert max(len(line) for line in output.splitlines()) <= 80
    row = next(line for line in output.splitlines() if "synaptic_op_pj" in line).split()
    assert row[:3] == ["synaptic_op_pj", "23.6", "published"]
    note = next(line for line in output.splitlines() if line.split()[:1] == [row[3]])
    assert "Davies et al., IEEE Micro 2018 (pre-silicon, 0.75 V)" in note
    chip = load_chip("loihi")
    given = [*dict(chip.energy).values(), *dict(chip.timing).values()]
    kinds = [quantity.kind for quantity in given if quantity is not None]
    assert f"Of {len(kinds)} energies and times: {kinds.count('published')} published" in output


def test_packet_overhead_is_given_both_ways() -> None:
    output = " ".join(run("tianjic").split())
    assert "25% of the spike packet, 20% of the new packet" in output


def test_json_of_one_chip_is_a_chip_file(tmp_path: Path) -> None:
    path = tmp_path / "saved.yaml"
    path.write_text(run("tianjic", "--json"))
    assert load_chip(path) == load_chip("tianjic")
    assert run(str(path)) == run("tianjic")


def test_json_of_the_list_and_the_schema() -> None:
    summaries = json.loads(run("--json"))
    assert [summary["name"] for summary in summaries] == list(builtin_chips())
    assert {s["name"]: s["analog_bits"] for s in summaries}["truenorth"] is None
    assert json.loads(run("--schema")) == chip_schema()


def test_text_from_a_file_is_printed_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "schema: neurosim-chip/1\nextends: tiny_2x2\nname: v\n"
        "description: 'a [red]name[/] and an open [/x] mark :smile:'\n"
    )
    assert "a [red]name[/] and an open [/x] mark :smile:" in run(str(path))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(["tianjik"], UsageError), (["no.yaml"], InputFileError), (["x", "--schema"], UsageError)],
)
def test_errors_are_ours(arguments: list[str], error: type[NeurosimError]) -> None:
    with pytest.raises(error):
        CliRunner().invoke(chips, arguments, catch_exceptions=False)


def test_help_has_examples_and_imports_nothing_heavy() -> None:
    assert "neurosim chips tianjic" in run("--help")
    code = (
        "import sys, neurosim_cli.chips\n"
        "heavy = {'pydantic', 'rich', 'yaml', 'numba', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    root = Path(__file__).parents[2]
    path = ":".join(str(root / folder) for folder in (".", "mapper", "cli"))
    environment = {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
