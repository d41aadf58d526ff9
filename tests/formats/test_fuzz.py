"""A short run of ``python -m tests.fuzz``: damaged files, every reader and the command line."""

from __future__ import annotations

import warnings

import pytest

from tests.fuzz.__main__ import case_file, play
from tests.fuzz.targets import TARGETS, attempt

CASES = 25
SEED = 11


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_give_a_result_or_a_sentence(name, tmp_path):
    target = TARGETS[name]
    (tmp_path / "corpus").mkdir()
    (tmp_path / "cases").mkdir()
    corpus = target.corpus(tmp_path / "corpus")
    assert corpus
    for case in range(CASES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a zip with two members of one name
            file, content = case_file(name, corpus, SEED, case)
        assert play(target, file, content, tmp_path / "cases") == "", f"case {case}"


@pytest.mark.parametrize("name", TARGETS)
def test_whole_files_are_read(name, tmp_path):
    """Without this, a reader that refuses everything would pass; some shipped files are refused
    on purpose (whole pickled modules, foreign files that need another reading).
    """
    target = TARGETS[name]
    (tmp_path / "corpus").mkdir()
    corpus = target.corpus(tmp_path / "corpus")
    complaints = []
    for file, content in corpus.items():
        (tmp_path / file).write_bytes(content)
        complaints.append(attempt(target, tmp_path / file))
    assert complaints.count("") > len(corpus) / 2, complaints
