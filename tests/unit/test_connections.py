"""Connections against a loop over synapses, and block, apply and sources against each other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.errors import InputFileError
from neurosim_mapper.connections import (
    Connection,
    ConvConnection,
    DenseConnection,
    DiagonalConnection,
    SparseConnection,
    pool_connection,
)


def looped_matrix(conv: ConvConnection) -> np.ndarray:
    """Unrolled weights (n_sources, n_targets), by the definition of a cross-correlation."""
    _, high, wide = conv.in_shape
    c_out, out_high, out_wide = conv.out_shape
    per_group, kernel_high, kernel_wide = conv.weight.shape[1:]
    matrix = np.zeros((*conv.in_shape, *conv.out_shape), np.int64)
    for c, y, x in product(range(c_out), range(out_high), range(out_wide)):
        first = c // (c_out // conv.groups) * per_group
        for i, ky, kx in product(range(per_group), range(kernel_high), range(kernel_wide)):
            row = y * conv.stride[0] + ky * conv.dilation[0] - conv.padding[0][0]
            column = x * conv.stride[1] + kx * conv.dilation[1] - conv.padding[1][0]
            if 0 <= row < high and 0 <= column < wide:
                matrix[first + i, row, column, c, y, x] += conv.weight[c, i, ky, kx]
    return matrix.reshape(conv.n_sources, conv.n_targets)


@st.composite
def convolutions(draw: st.DrawFn) -> ConvConnection:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c_in, c_out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 3))
    small = st.integers(1, 3)
    kernel = (draw(small), draw(small))
    stride = (draw(small), draw(small))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    pad = st.integers(0, 2)
    padding = ((draw(pad), draw(pad)), (draw(pad), draw(pad)))
    high = draw(st.integers(dilation[0] * (kernel[0] - 1) + 1, 7))
    wide = draw(st.integers(dilation[1] * (kernel[1] - 1) + 1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weight = rng.integers(-3, 4, (c_out, c_in // groups, *kernel))
    return ConvConnection(weight, (c_in, high, wide), stride, padding, dilation, groups)


@st.composite
def connections(draw: st.DrawFn) -> tuple[Connection, np.ndarray]:
    """A connection with its matrix (n_sources, n_targets)."""
    kind = draw(st.sampled_from(["conv", "dense", "diagonal", "sparse", "pool"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "conv":
        conv = draw(convolutions())
        return conv, looped_matrix(conv)
    if kind == "pool":
        k = draw(st.integers(1, 3))
        pool = pool_connection((2, 6, 5), (k, 2), (2, k), ((0, 1), (1, 0)), rng.integers(-2, 3, 2))
        return pool, looped_matrix(pool)
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    if kind == "dense":
        weight = rng.integers(-2, 3, (m, n))
        return DenseConnection(weight), weight.T
    if kind == "diagonal":
        weight = rng.integers(-2, 3, n)
        return DiagonalConnection(weight), np.diag(weight)
    counts = rng.integers(0, 4, m)
    offset = np.concatenate([[0], np.cumsum(counts)])
    source = rng.integers(0, n, offset[-1])
    weight = rng.integers(-2, 3, offset[-1])
    matrix = np.zeros((n, m), np.int64)
    for target in range(m):
        for synapse in range(offset[target], offset[target + 1]):
            matrix[source[synapse], target] += weight[synapse]
    return SparseConnection(offset, source, weight, n), matrix


@settings(max_examples=150, deadline=None)
@given(connections(), st.integers(0, 2**32 - 1))
def test_every_question_has_the_answer_of_the_unrolled_matrix(
    drawn: tuple[Connection, np.ndarray], seed: int
) -> None:
    connection, matrix = drawn
    assert (connection.n_sources, connection.n_targets) == matrix.shape
    rng = np.random.default_rng(seed)
    sources = rng.permutation(matrix.shape[0])[: rng.integers(0, matrix.shape[0] + 1)]
    targets = rng.permutation(matrix.shape[1])[: rng.integers(0, matrix.shape[1] + 1)]
    np.testing.assert_array_equal(connection.block(sources, targets), matrix[sources][:, targets])
    np.testing.assert_array_equal(
        connection.sources_of(targets), np.flatnonzero((matrix[:, targets] != 0).any(axis=1))
    )
    values = rng.integers(-128, 256, (3, matrix.shape[0]))
    np.testing.assert_array_equal(connection.apply(values), values @ matrix)
    assert connection.apply(values).dtype == np.int64
    assert connection.weight_abs_max >= np.abs(matrix).max()
    positive, negative = connection.positive_negative_sums()
    if not isinstance(connection, SparseConnection):  # synapses of one pair may cancel there
        np.testing.assert_array_equal(positive, np.maximum(matrix, 0).sum(axis=0))
        np.testing.assert_array_equal(negative, np.minimum(matrix, 0).sum(axis=0))
    np.testing.assert_array_equal(positive + negative, matrix.sum(axis=0))


@pytest.mark.parametrize("factor", [1, 2**40])
def test_sums_are_exact_also_where_float64_is_not(factor: int) -> None:
    weight = np.array([[2**13 + 1, -(2**13)]])
    values = np.array([[factor + 1, factor]])
    expected = (2**13 + 1) * (factor + 1) - 2**13 * factor
    assert DenseConnection(weight).apply(values)[0, 0] == expected
    conv = ConvConnection(weight.reshape(1, 2, 1, 1), (2, 1, 1))
    assert conv.apply(values)[0, 0] == expected


def test_a_connection_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(InputFileError, match=r"weight of shape \(4, 2, 3, 3\) with 2 groups"):
        ConvConnection(np.zeros((4, 2, 3, 3)), (3, 8, 8), groups=2)
    with pytest.raises(InputFileError, match="A window of 3"):
        ConvConnection(np.zeros((4, 3, 3, 3)), (3, 2, 8))
    with pytest.raises(InputFileError, match=r"names sources 0\.\.5; the source layer has 5"):
        SparseConnection(np.array([0, 2]), np.array([0, 5]), np.ones(2), 5)
    with pytest.raises(InputFileError, match="do not rise"):
        SparseConnection(np.array([0, 3]), np.array([0, 4]), np.ones(2), 5)
    with pytest.raises(InputFileError, match="2 axes"):
        DenseConnection(np.zeros(3))
    with pytest.raises(InputFileError, match="1 axis"):
        DiagonalConnection(np.zeros((3, 1)))
