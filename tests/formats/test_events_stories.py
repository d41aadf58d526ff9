"""bAbI text and the simulated world that writes it."""

import re

import numpy as np
import pytest

from neurosim.errors import InputFileError
from neurosim_mapper.data.babi import (
    Question,
    Story,
    build_vocabulary,
    encode_questions,
    read_babi,
    write_babi,
)
from neurosim_mapper.data.stories import DROPS, PEOPLE, ROOMS, TAKES, THINGS, WALKS, make_stories

TEXT = (
    "1 Eve sat on the mat.\n"
    "2 Tom's cat ran to the barn.\n"
    "3 Where is the cat?\tbarn\t2\n"
    "4 Eve left.\n"
    "5 Where is Eve? \tnowhere\t1 4\n"
    "1 Rain.\n"
    "2 Weather?\train,snow\t1\n"
)


def test_reading_follows_the_format(tmp_path):
    (tmp_path / "qa.txt").write_text(TEXT)
    first, second = read_babi(tmp_path / "qa.txt")
    assert first.statements[1] == (2, ("tom's", "cat", "ran", "to", "the", "barn", "."))
    assert first.questions == (
        Question(3, ("where", "is", "the", "cat", "?"), "barn", (2,)),
        Question(5, ("where", "is", "eve", "?"), "nowhere", (1, 4)),
    )
    assert second.questions[0].answer == "rain,snow"


def test_encoding_gives_each_question_what_came_before_it(tmp_path):
    (tmp_path / "qa.txt").write_text(TEXT)
    stories = read_babi(tmp_path / "qa.txt")
    data = encode_questions(stories)
    text = [[data.vocabulary[i] for i in row if i] for row in data.statements]
    assert text[0] == [
        *["eve", "sat", "on", "the", "mat", "."],
        *["tom's", "cat", "ran", "to", "the", "barn", "."],
    ]
    assert text[1] == [*text[0], "eve", "left", "."]
    assert text[2] == ["rain", "."]
    assert [data.vocabulary[i] for i in data.answers] == ["barn", "nowhere", "rain,snow"]
    assert data.statements.shape == (3, 16)
    assert data.cut == 0
    short = encode_questions(stories, n_statement_words=3)
    assert [data.vocabulary[i] for i in short.statements[1]] == ["eve", "left", "."]
    assert short.cut == 2


def test_unknown_words_are_named():
    story = Story(((1, ("a", ".")),), (Question(2, ("b", "?"), "a", (1,)),))
    with pytest.raises(InputFileError, match="'b' is not in the vocabulary of 3 words"):
        encode_questions((story,), vocabulary=("<pad>", "a", ".", "?"))


@pytest.mark.parametrize("task", ["one_fact", "two_facts"])
def test_stories_survive_the_file(tmp_path, task):
    stories = make_stories(20, 7, task=task)
    write_babi(tmp_path / "qa.txt", stories)
    assert read_babi(tmp_path / "qa.txt") == stories
    for line in (tmp_path / "qa.txt").read_text().splitlines():
        assert re.fullmatch(r"\d+ [A-Z][^\t]*[.?](\t\w+\t[\d ]+)?", line), line


def answer_by_reading(story, question):
    """The slow twin: read the sentences up to the question, keep every place in a dictionary."""
    room, holder, lies = {}, {}, {}
    for line, words in story.statements:
        if line > question.line:
            break
        verb = words[1:-3] if words[-3] == "the" else ()
        subject, thing = words[0], words[-2]
        if verb in WALKS:
            room[subject] = thing
        elif verb in TAKES:
            holder[thing] = subject
        elif verb in DROPS:
            del holder[thing]
            lies[thing] = room[subject]
        else:
            raise AssertionError(words)
    asked = question.words[-2]
    if asked in PEOPLE:
        return room[asked]
    return room[holder[asked]] if asked in holder else lies[asked]


@pytest.mark.parametrize(("task", "n_facts"), [("one_fact", 1), ("two_facts", 2)])
def test_answers_are_right_and_supported(task, n_facts):
    for story in make_stories(200, 3, task=task):
        spoken = dict(story.statements)
        assert len(story.questions) == 5
        for question in story.questions:
            assert question.answer == answer_by_reading(story, question)
            assert len(set(question.support)) == n_facts
            cited = [spoken[line] for line in question.support]
            assert any(question.answer in words for words in cited)
            assert any(question.words[-2] in words for words in cited)
            assert all(line < question.line for line in question.support)


def test_one_fact_vocabulary_has_the_papers_size():
    assert len(build_vocabulary(make_stories(500, 0))) == 22
    words = set(build_vocabulary(make_stories(500, 0, task="two_facts")))
    assert set(PEOPLE) | set(ROOMS) | set(THINGS) <= words


def test_stories_depend_on_seed_and_number_only():
    assert make_stories(5, 1) == make_stories(9, 1)[:5]
    assert make_stories(5, 1) != make_stories(5, 2)


def test_answers_use_all_rooms_about_equally():
    data = encode_questions(make_stories(400, 0))
    share = np.bincount(data.answers)[np.unique(data.answers)] / data.answers.size
    assert len(share) == len(ROOMS)
    assert share.min() > 0.5 / len(ROOMS)
