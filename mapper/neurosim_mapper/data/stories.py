"""Short question-answering stories from a small simulated world, in bAbI's format.

People walk between rooms, pick things up and put them down; now and then somebody asks where a
person (one supporting fact) or a thing (two supporting facts) is. The world knows the answer and
the sentences that prove it, so every question comes with its support. The vocabulary of the
one-fact stories has 21 words, 22 with padding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from neurosim.errors import UsageError
from neurosim_mapper.data.babi import Question, Story

PEOPLE = ("anna", "ben", "clara", "david")
ROOMS = ("attic", "cellar", "garage", "library", "porch", "workshop")
THINGS = ("book", "hammer", "lamp")
WALKS = (("walked", "to"), ("went", "to"), ("ran", "to"), ("moved", "to"), ("returned", "to"))
TAKES = (("took",), ("grabbed",), ("picked", "up"))
DROPS = (("dropped",), ("put", "down"))
Task = Literal["one_fact", "two_facts"]


@dataclass
class _World:
    """State while a story is told; every entry remembers the line that says so."""

    room: dict[str, tuple[str, int]] = field(default_factory=dict)
    holder: dict[str, tuple[str, int]] = field(default_factory=dict)
    lies_in: dict[str, tuple[str, tuple[int, int]]] = field(default_factory=dict)
    statements: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    line: int = 0

    def say(self, *words: str) -> int:
        self.line += 1
        self.statements.append((self.line, (*words, ".")))
        return self.line


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _walk(world: _World, rng: np.random.Generator) -> None:
    person = _pick(rng, PEOPLE)
    here = world.room.get(person, ("", 0))[0]
    room = _pick(rng, tuple(r for r in ROOMS if r != here))
    verb = WALKS[int(rng.integers(len(WALKS)))]
    world.room[person] = (room, world.say(person, *verb, "the", room))


def _handle_thing(world: _World, rng: np.random.Generator) -> bool:
    """Somebody takes or drops a thing, if that is possible; says whether it happened."""
    people = tuple(person for person in PEOPLE if person in world.room)
    if not people:
        return False
    person = _pick(rng, people)
    held = tuple(t for t in THINGS if world.holder.get(t, ("", 0))[0] == person)
    room, room_line = world.room[person]
    near = tuple(
        t
        for t in THINGS
        if t not in world.holder and world.lies_in.get(t, (room, (0, 0)))[0] == room
    )
    if held and (not near or rng.random() < 0.4):
        thing = _pick(rng, held)
        drop_line = world.say(person, *DROPS[int(rng.integers(len(DROPS)))], "the", thing)
        del world.holder[thing]
        world.lies_in[thing] = (room, (drop_line, room_line))
        return True
    if near:
        thing = _pick(rng, near)
        line = world.say(person, *TAKES[int(rng.integers(len(TAKES)))], "the", thing)
        world.holder[thing] = (person, line)
        world.lies_in.pop(thing, None)
        return True
    return False


def _ask_person(world: _World, rng: np.random.Generator) -> bool:
    people = tuple(person for person in PEOPLE if person in world.room)
    if not people:
        return False
    person = _pick(rng, people)
    room, line = world.room[person]
    world.line += 1
    world.questions.append(Question(world.line, ("where", "is", person, "?"), room, (line,)))
    return True


def _ask_thing(world: _World, rng: np.random.Generator) -> bool:
    things = tuple(t for t in THINGS if t in world.holder or t in world.lies_in)
    if not things:
        return False
    thing = _pick(rng, things)
    if thing in world.holder:
        person, take_line = world.holder[thing]
        room, walk_line = world.room[person]
        support = (take_line, walk_line)
    else:
        room, support = world.lies_in[thing]
    world.line += 1
    question = Question(world.line, ("where", "is", "the", thing, "?"), room, support)
    world.questions.append(question)
    return True


def make_story(
    task: Task, n_questions: int, statements_per_question: int, rng: np.random.Generator
) -> Story:
    """Tell one story.

    Parameters
    ----------
    task : {"one_fact", "two_facts"}
        Ask where people are, or where things are.
    statements_per_question : int
        Sentences before each question (more if nothing can be asked yet).
    """
    world = _World()
    ask = _ask_person if task == "one_fact" else _ask_thing
    while len(world.questions) < n_questions:
        for _ in range(statements_per_question):
            happened = False
            if task == "two_facts" and rng.random() < 0.45:
                happened = _handle_thing(world, rng)
            if not happened:
                _walk(world, rng)
        ask(world, rng)
    return Story(tuple(world.statements), tuple(world.questions))


def make_stories(
    n: int,
    seed: int,
    *,
    task: Task = "one_fact",
    n_questions: int = 5,
    statements_per_question: int = 2,
) -> tuple[Story, ...]:
    """Tell `n` stories; story k of a seed is the same whatever n is.

    Raises
    ------
    UsageError
        If a number is out of range or the task unknown.
    """
    if task not in ("one_fact", "two_facts"):
        raise UsageError(f"stories: task {task!r} is unknown. Known are one_fact and two_facts.")
    if n < 0 or seed < 0 or n_questions < 1 or statements_per_question < 1:
        raise UsageError(
            f"stories: n {n}, seed {seed}, {n_questions} questions, {statements_per_question} "
            "statements per question; n and seed from 0, the others from 1 are needed."
        )
    kind = int(task == "two_facts")
    return tuple(
        make_story(
            task, n_questions, statements_per_question, np.random.default_rng([seed, kind, k])
        )
        for k in range(n)
    )
