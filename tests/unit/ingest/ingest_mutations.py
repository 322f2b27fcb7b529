"""Messages like the golden ones, damaged: what devices, gateways and networks make of them."""

import random
from collections.abc import Iterator

FRAGMENTS = (
    b"null", b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 400, b"\xff\xfe", b"\\ud800", b'"', b"\\", b"{", b"}", b"[",
    b"]", b",", b"=", b":", b" ", b"\n", b"\r\n", b"\x00", b"true", b"1i", b"0i", b"18446744073709551616", b'"2,1"',
    b"2026-11-22T14:20:00", b"-1", b"[" * 200, b'{"a":' * 200, b"\xf0\x9f\x94\xa7", b"#", b"\\\n",
)  # fmt: skip


def mutated(payload: bytes, *, chance: random.Random) -> bytes:
    """The payload with one to five damages: bytes flipped, cut, doubled, swapped, or fragments put in."""
    data = bytearray(payload)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.randint(1, 12))
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * chance.randint(1, 3)
            case 3:
                del data[at:]
            case 4:
                data[at:end] = chance.choice(FRAGMENTS)
            case _:
                data[at:at] = chance.choice(FRAGMENTS)
    return bytes(data)


def stream(payloads: list[bytes], *, count: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """So many damaged messages, each with the index of what it was made of."""
    chance = random.Random(seed)
    for _ in range(count):
        index = chance.randrange(len(payloads))
        yield index, mutated(payloads[index], chance=chance)
