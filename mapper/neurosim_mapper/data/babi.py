"""bAbI question-answering text: read it, write it, turn it into integer arrays.

One sentence per line, numbered from 1 within a story; a number that is not larger than the one
before starts a new story. A question line has tabs: question, answer, numbers of the lines that
support it. Words are lower-cased; ``.`` and ``?`` are words of their own; a comma inside an
answer joins it into one word of the vocabulary (as for lists).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.data.files import read_text, write_aside

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[.?]")
PAD = "<pad>"
MAX_ARRAY_BYTES = 1 << 30


@dataclass(frozen=True)
class Question:
    """A question of a story.

    Attributes
    ----------
    line : int
        Number of the question's line in its story.
    words : tuple of str
    answer : str
    support : tuple of int
        Numbers of the lines that hold the supporting facts.
    """

    line: int
    words: tuple[str, ...]
    answer: str
    support: tuple[int, ...]


@dataclass(frozen=True)
class Story:
    """Numbered statements and the questions between them.

    Attributes
    ----------
    statements : tuple of (int, tuple of str)
        Line number and words, in order.
    questions : tuple of Question
        In order; a question may use the statements with smaller numbers.
    """

    statements: tuple[tuple[int, tuple[str, ...]], ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, eq=False)
class EncodedQuestions:
    """Questions as integers; 0 is padding, put in front, so that the last tick is a word.

    Attributes
    ----------
    statements : int32 array (n, n_statement_words)
        All statements before the question, one word per tick.
    questions : int32 array (n, n_question_words)
    answers : int64 array (n,)
        Index into `vocabulary`.
    vocabulary : tuple of str
        Word of each number; entry 0 is padding.
    cut : int
        Questions whose statements were longer than `n_statement_words` and lost their beginning.
    """

    statements: NDArray[np.int32]
    questions: NDArray[np.int32]
    answers: NDArray[np.int64]
    vocabulary: tuple[str, ...]
    cut: int


def read_babi(path: str | Path) -> tuple[Story, ...]:
    """Read a bAbI text file.

    Raises
    ------
    InputFileError
        If a line has no number, no words, or a question lacks its answer or cites lines that are
        not there.
    """
    name = Path(path).name
    stories: list[Story] = []
    statements: list[tuple[int, tuple[str, ...]]] = []
    questions: list[Question] = []
    known: set[int] = set()
    last = 0
    for row, text in enumerate(read_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        number, rest = _numbered(name, row, text)
        if number <= last:
            stories.append(Story(tuple(statements), tuple(questions)))
            statements, questions, known = [], [], set()
        last = number
        if "\t" in rest:
            questions.append(_question(name, row, number, rest, known))
        else:
            statements.append((number, _words(name, row, rest)))
            known.add(number)
    if statements or questions:
        stories.append(Story(tuple(statements), tuple(questions)))
    if not stories:
        raise InputFileError(f"{name}: the file holds no story.")
    return tuple(stories)


def _numbered(name: str, row: int, text: str) -> tuple[int, str]:
    number, _, rest = text.strip().partition(" ")
    if not (number.isascii() and number.isdigit() and 0 < len(number) <= 9 and int(number) > 0):
        raise InputFileError(
            f"{name}: line {row} must start with a number from 1 and a blank, "
            f"it starts with {number[:30]!r}."
        )
    return int(number), rest


def _words(name: str, row: int, text: str) -> tuple[str, ...]:
    words = tuple(_WORD.findall(text.lower()))
    if not words:
        raise InputFileError(f"{name}: line {row} has no words after its number.")
    return words


def _question(name: str, row: int, number: int, rest: str, known: set[int]) -> Question:
    parts = [part.strip() for part in rest.split("\t")]
    support = parts[2].split() if len(parts) > 2 else []
    if len(parts) > 3 or not parts[1]:
        raise InputFileError(
            f"{name}: line {row} is a question and must hold question, answer and supporting "
            f"lines between tabs, it has {len(parts)} parts."
        )
    for cited in support:
        if not (cited.isascii() and cited.isdigit() and len(cited) <= 9 and int(cited) in known):
            raise InputFileError(
                f"{name}: line {row} cites supporting line {cited[:20]!r}, "
                f"which is no statement before line {number} of its story."
            )
    return Question(number, _words(name, row, parts[0]), parts[1].lower(), tuple(map(int, support)))


def write_babi(path: str | Path, stories: tuple[Story, ...]) -> None:
    """Write stories so that `read_babi` reads the same back."""
    with write_aside(path) as stream:
        for story in stories:
            lines = [(number, _sentence(words)) for number, words in story.statements]
            for question in story.questions:
                support = " ".join(map(str, question.support))
                text = f"{_sentence(question.words)}\t{question.answer}\t{support}"
                lines.append((question.line, text))
            for number, text in sorted(lines):
                stream.write(f"{number} {text}\n".encode())


def _sentence(words: tuple[str, ...]) -> str:
    text = " ".join(words)
    return re.sub(r" ([.?])", r"\1", text[:1].upper() + text[1:])


def build_vocabulary(stories: tuple[Story, ...]) -> tuple[str, ...]:
    """Padding, then every word of statements, questions and answers in alphabetical order."""
    words: set[str] = set()
    for story in stories:
        for _, statement in story.statements:
            words.update(statement)
        for question in story.questions:
            words.update(question.words)
            words.add(question.answer)
    return (PAD, *sorted(words))


def encode_questions(
    stories: tuple[Story, ...],
    vocabulary: tuple[str, ...] | None = None,
    n_statement_words: int | None = None,
    n_question_words: int | None = None,
) -> EncodedQuestions:
    """Integers for a network: one row per question.

    Parameters
    ----------
    vocabulary : tuple of str or None
        Of the training set; by default `build_vocabulary` of these stories.
    n_statement_words, n_question_words : int or None
        Length of a row, default the longest. What is longer loses its beginning, what is shorter
        is padded in front.

    Raises
    ------
    InputFileError
        If there is no question, a word is not in the vocabulary, or the arrays would exceed
        1 GiB.
    UsageError
        If a row shall have no words.
    """
    vocabulary = vocabulary or build_vocabulary(stories)
    number = {word: i for i, word in enumerate(vocabulary)}
    asked = [question for story in stories for question in story.questions]
    if not asked:
        raise InputFileError("stories: they hold no question, at least one is needed.")
    if n_statement_words is None:
        n_statement_words = max(1, *(_longest(story) for story in stories))
    if n_question_words is None:
        n_question_words = max(len(question.words) for question in asked)
    if min(n_statement_words, n_question_words) < 1:
        raise UsageError(
            f"stories: rows of {n_statement_words} and {n_question_words} words, at least 1 each "
            "is needed."
        )
    need = 4 * len(asked) * (n_statement_words + n_question_words)
    if need > MAX_ARRAY_BYTES:
        raise InputFileError(
            f"stories: {len(asked)} questions of {n_statement_words} words need {need} bytes, "
            f"the limit is {MAX_ARRAY_BYTES}. Limit n_statement_words."
        )
    statements = np.zeros((len(asked), n_statement_words), np.int32)
    questions = np.zeros((len(asked), n_question_words), np.int32)
    answers = np.zeros(len(asked), np.int64)
    cut = row = 0
    for story in stories:
        flat, ends = _flatten(story, number)
        for question in story.questions:
            length = int(np.searchsorted(ends[0], question.line))
            words = flat[: ends[1][length]]
            cut += int(words.size > n_statement_words)
            _put(statements[row], words)
            _put(questions[row], _numbers(question.words, number))
            answers[row] = _numbers((question.answer,), number)[0]
            row += 1
    return EncodedQuestions(statements, questions, answers, vocabulary, cut)


def _longest(story: Story) -> int:
    last = max((question.line for question in story.questions), default=0)
    return sum(len(words) for line, words in story.statements if line < last)


def _flatten(
    story: Story, number: dict[str, int]
) -> tuple[NDArray[np.int32], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    words = [word for _, statement in story.statements for word in statement]
    lines = np.array([line for line, _ in story.statements], np.int64)
    lengths = np.array([len(statement) for _, statement in story.statements], np.int64)
    return _numbers(tuple(words), number), (lines, np.concatenate([[0], np.cumsum(lengths)]))


def _numbers(words: tuple[str, ...], number: dict[str, int]) -> NDArray[np.int32]:
    try:
        return np.array([number[word] for word in words], np.int32)
    except KeyError as error:
        raise InputFileError(
            f"stories: the word {str(error.args[0])[:40]!r} is not in the vocabulary of "
            f"{len(number) - 1} words. Build the vocabulary from all stories."
        ) from error


def _put(row: NDArray[np.int32], words: NDArray[np.int32]) -> None:
    n = min(row.size, words.size)
    if n:
        row[-n:] = words[-n:]
