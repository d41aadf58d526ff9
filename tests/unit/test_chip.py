"""The chip model: sizes that follow from the numbers, and the rules between its parts."""

from __future__ import annotations

from typing import Any

import pytest

from neurosim.chip.files import chip_from_dict, load_chip
from neurosim.chip.model import Chip
from neurosim.errors import InputFileError, UsageError


@pytest.fixture
def tiny() -> dict[str, Any]:
    return load_chip("tiny_2x2").to_dict()


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The chip data with one key set, given as ``core.axons``."""
    *sections, key = path.split(".")
    target = data
    for section in sections:
        target = target[section]
    target[key] = value
    return data


def test_packet_sizes_are_the_sum_of_the_fields(tiny: dict[str, Any]) -> None:
    chip = chip_from_dict(tiny)
    header = 3 + 3 + 4 + 4 + 2
    assert chip.packet.header_bits == header
    assert chip.packet_bits("spike") == header
    assert chip.packet_bits("analog") == header + 8
    assert chip.packet_bits("psum") == header + 24
    assert [chip.flits(kind) for kind in ("spike", "analog", "psum")] == [1, 2, 3]  # 16-bit links
    assert chip.packet.field_bits("axon") == 4
    assert chip.packet.field_bits("nothing") is None


def test_payload_always_makes_a_spike_as_long_as_a_value(tiny: dict[str, Any]) -> None:
    chip = chip_from_dict(changed(tiny, "packet.payload_always", True))
    assert chip.packet_bits("spike") == chip.packet_bits("analog")
    assert chip.payload_bits("spike") == 8


def test_an_array_is_one_grid() -> None:
    chip = load_chip("tianjic_array")
    assert (chip.wide, chip.high) == (4 * 12, 4 * 13)
    assert chip.n_cores == chip.wide * chip.high
    assert chip.n_chips == 16
    assert chip.static_power_w == pytest.approx(16 * chip.energy.static_w.value)


def test_usable_cores_leave_out_the_dead_row_by_row(tiny: dict[str, Any]) -> None:
    chip = chip_from_dict(changed(tiny, "dead_cores", [[1, 0]]))
    assert chip.usable_cores == ((0, 0), (0, 1), (1, 1))


def test_synapse_memory() -> None:
    assert load_chip("tianjic").synapse_bytes == 1.0
    assert load_chip("truenorth").synapse_bytes == 1 / 8
    assert load_chip("loihi").synapse_bytes == 9 / 8


def test_a_chip_is_frozen_hashable_and_equal_to_its_copy(tiny: dict[str, Any]) -> None:
    one, two = Chip.model_validate(tiny), Chip.model_validate(tiny)
    assert one.usable_cores  # cached on one of the two only
    assert one.packet.header_bits
    assert one == two
    assert hash(one) == hash(two)
    with pytest.raises(ValueError, match="frozen"):
        one.name = "other"  # type: ignore[misc]


def test_source_of_prefers_the_key_then_the_section_then_the_earlier(tiny: dict[str, Any]) -> None:
    entries = [
        {"of": ["core"], "source": "section, first", "kind": "assumption"},
        {"of": ["core", "core.axons"], "source": "key", "kind": "derived"},
        {"of": ["core.axons"], "source": "key, later", "kind": "published"},
    ]
    chip = chip_from_dict(changed(tiny, "sources", entries))
    found = [chip.source_of(path) for path in ("core.axons", "core.neurons", "noc.n_vcs")]
    assert [entry.source if entry else None for entry in found] == ["key", "section, first", None]
    energy = chip.source_of("energy.mac_pj")
    assert energy is not None
    assert energy.source == chip.energy.mac_pj.source
    assert chip.source_of("energy.mac") is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("core.axon_types", 4, "core.axon_types is needed with core.weight_scheme: axon_types"),
        ("core.weight_scheme", "axon_types", "core.axon_types is needed"),
        ("core.soma_models", ["liaf", "liaf"], "core.soma_models names an entry twice: liaf, liaf"),
        ("core.axons", 17, r"packet.fields\[2\].bits needs 5 bits in field 'axon' for 17 axons"),
        ("core.max_delay_ticks", 16, "needs 5 bits in field 'tick' for delays up to 16 ticks"),
        ("grid", {"wide": 5, "high": 2}, "needs 4 bits in field 'dx' for a distance of 4 columns"),
        ("grid", {"wide": 2, "high": 5}, "needs 4 bits in field 'dy' for a distance of 4 rows"),
        ("grid", {"wide": 2048, "high": 2048}, "grid needs at most 1048576 cores"),
        ("packet.analog_payload_bits", 0, "needs at least 1 bit because core.input_kinds"),
        ("packet.psum_payload_bits", 23, "needs at least core.accumulator_bits = 24 bits"),
        ("tick.period_ns", 5.0, "tick.period_ns is needed with tick.mode: fixed, and only with it"),
        ("tick.mode", "fixed", "tick.period_ns is needed with tick.mode: fixed"),
        ("dead_cores", [[2, 0]], r"dead_cores\[0\] needs a core of the 2 x 2 grid, has \(2, 0\)"),
        ("dead_cores", [[0, 0], [0, 0]], "dead_cores names an entry twice"),
        ("dead_cores", [[0, 0], [0, 1], [1, 0], [1, 1]], "dead_cores leaves no usable core"),
        ("dead_links", [[[0, 0], [1, 1]]], r"dead_links\[0\] needs two neighbouring cores"),
        ("dead_links", [[[0, 0], [0, 2]]], r"dead_links\[0\] needs a core of the 2 x 2 grid"),
        ("timing.clock_hz.value", 0, "timing.clock_hz.value needs more than 0, has 0"),
        ("core.axons", True, "core.axons needs a whole number from 1 to 2147483647, has true"),
        ("core.axons", 16.5, "core.axons needs a whole number from 1 to 2147483647, has 16.5"),
        ("core.send_zero", 1, "core.send_zero needs true or false, has 1"),
        ("energy.mac_pj.value", float("nan"), "energy.mac_pj.value needs a number"),
        ("energy.mac_pj.value", -1, "energy.mac_pj.value needs a number from 0"),
        ("energy.mac_pj", 2.0, "energy.mac_pj needs a section with the keys value, source, kind"),
        ("schema", "neurosim-chip/2", "schema needs 'neurosim-chip/1', has text 'neurosim-chip/2'"),
        ("name", "a b", "name needs text that matches"),
    ],
)
def test_rules(tiny: dict[str, Any], path: str, value: Any, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        chip_from_dict(changed(tiny, path, value))


def test_limits_are_sharp(tiny: dict[str, Any]) -> None:
    """The largest values that the fields hold are accepted, one more is refused above."""
    changed(tiny, "core.axons", 16)
    changed(tiny, "core.max_delay_ticks", 15)
    changed(tiny, "grid", {"wide": 4, "high": 4})
    changed(tiny, "packet.psum_payload_bits", 24)
    assert chip_from_dict(tiny).n_cores == 16


def test_a_torus_needs_half_the_distance(tiny: dict[str, Any]) -> None:
    changed(tiny, "grid", {"wide": 7, "high": 2})
    changed(tiny, "noc.topology", "torus")
    changed(tiny, "dead_links", [[[0, 0], [6, 0]]])  # neighbours around the edge
    assert chip_from_dict(tiny).noc_section.topology == "torus"


def test_relay_chains_need_a_mesh(tiny: dict[str, Any]) -> None:
    changed(tiny, "noc.multicast", "relay")
    assert chip_from_dict(tiny).noc_section.multicast == "relay"
    with pytest.raises(InputFileError, match=r"noc\.multicast relay needs noc\.topology: mesh"):
        chip_from_dict(changed(tiny, "noc.topology", "torus"))


@pytest.mark.parametrize("data", [None, [], "tianjic", 3, {}])
def test_not_a_chip_at_all(data: Any) -> None:
    with pytest.raises(InputFileError, match=r"^chip"):
        chip_from_dict(data)


def test_the_network_of_several_chips_needs_a_mesh(tiny: dict[str, Any]) -> None:
    """The chip itself may be used with the ideal model, which needs no network of routers."""
    changed(tiny, "array", {"wide": 2, "high": 1})
    chip = chip_from_dict(changed(tiny, "noc.topology", "torus"))
    with pytest.raises(UsageError, match=r"section noc: .*mesh only, topology is 'torus'"):
        assert chip.noc


@pytest.mark.parametrize(
    ("dead_links", "n_vcs", "topology", "sentence"),
    [
        ([[[0, 0], [1, 0]]], 2, "torus", "dead_links is offered on a mesh only, topology is"),
        ([], 1, "torus", "a torus splits its virtual channels at the dateline: 1 for packets"),
        ([], 7, "mesh", "n_vcs is 7: input should be less than or equal to 6."),
    ],
)
def test_a_network_that_cannot_be_built_is_one_sentence(
    tiny: dict[str, Any], dead_links: list[Any], n_vcs: int, topology: str, sentence: str
) -> None:
    changed(tiny, "dead_links", dead_links)
    changed(tiny, "noc.n_vcs", n_vcs)
    chip = chip_from_dict(changed(tiny, "noc.topology", topology))
    with pytest.raises(UsageError) as caught:
        _ = chip.noc
    assert str(caught.value).startswith(f"chip {chip.name!r}, section noc: {sentence}")
