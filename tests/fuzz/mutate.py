"""Damage, as disks, networks, editors and enemies do it; all from a seed."""

from __future__ import annotations

import io
import random
import struct
import zipfile

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1)
WORDS = (
    "", "-1", "0", "1e999", "nan", "[]", "{}", "null", "true", "999999999999999999999", "0x10",
    "'", '"', "*a", "&a", "!!python/object:os.system", "\t", ": ", "- ",
    "\u202e", "\x00", "a" * 300,
)  # fmt: skip
HEAD_BYTES = 900


def mutated(content: bytes, rng: random.Random) -> bytes:
    """`content` with one to four mistakes."""
    is_zip = content[:4] == b"PK\x03\x04"
    if is_zip and rng.random() < 0.5:
        return _inside_zip(content, rng)
    is_text = not is_zip and b"\0" not in content[:4000]
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        damage = rng.choice(_TEXT if is_text and rng.random() < 0.7 else _BYTES)
        damage(data, rng)
    return bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    """Anywhere, or in the head or tail, where formats keep their structure."""
    n = max(1, len(data))
    spots = (rng.randrange(n), rng.randrange(min(n, HEAD_BYTES)), n - 1 - rng.randrange(min(n, 99)))
    return rng.choice(spots)


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at : at + rng.randint(1, 40)] = rng.randbytes(rng.randint(1, 40))


def _copy(data: bytearray, rng: random.Random) -> None:
    at, source = _place(data, rng), _place(data, rng)
    data[at:at] = data[source : source + rng.randint(1, 300)]


def _delete(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.randint(1, 60)]


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _number(data: bytearray, rng: random.Random) -> None:
    """A length or an offset that nobody expects."""
    at, size = _place(data, rng), rng.choice((1, 2, 4, 8))
    packed = struct.pack("<Q", rng.choice(NUMBERS))[:size]
    data[at : at + size] = packed if rng.random() < 0.7 else packed[::-1]


def _word(data: bytearray, rng: random.Random) -> None:
    """Another value behind a colon, a comma or a bracket, or somewhere else."""
    at = _place(data, rng)
    colon = data.find(b":", at)
    start = colon + 1 if colon >= 0 and rng.random() < 0.6 else at
    stop = start + rng.randint(0, 12)
    data[start:stop] = b" " + rng.choice(WORDS).encode()


def _line(data: bytearray, rng: random.Random) -> None:
    """A line less, twice, or further in."""
    lines = bytes(data).split(b"\n")
    at = rng.randrange(len(lines))
    way = rng.randrange(3)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines.insert(rng.randrange(len(lines)), lines[at])
    else:
        lines[at] = b"  " * rng.randint(1, 20) + lines[at]
    data[:] = b"\n".join(lines)


_BYTES = (_flip, _overwrite, _copy, _delete, _cut, _number)
_TEXT = (_word, _line, _word, _line, _delete, _copy)


def _inside_zip(content: bytes, rng: random.Random) -> bytes:
    """A whole archive again, with a member damaged, left out, doubled, renamed or swollen."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
        comment = archive.comment
    at = rng.randrange(len(members))
    name, data = members[at]
    way = rng.randrange(8)
    if way == 0:
        del members[at]
    elif way == 1:
        members[at] = (rng.choice(("../../x", "/etc/x", "x.npy", "y.npy", "")) or "x", data)
    elif way == 2:
        members[at] = (name, data[:128] + bytes(rng.randrange(1 << 22)))
    elif way == 3:
        members[at] = (name, members[rng.randrange(len(members))][1])
    else:
        damaged = bytearray(data)
        rng.choice(_BYTES)(damaged, rng)
        members[at] = (name, bytes(damaged))
    stream = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment
    return stream.getvalue()
