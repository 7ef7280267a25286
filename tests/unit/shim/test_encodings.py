"""Bodies that are packed."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.unit.shim.scene import IP, Shim, refusals

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = json.dumps([{"ip": f"198.18.{number // 256}.{number % 256}"} for number in range(1_000)]).encode()


def in_gzip(body: bytes) -> bytes:
    return gzip.compress(body)


def in_zlib(body: bytes) -> bytes:
    return zlib.compress(body)


def without_head(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def in_members(body: bytes) -> bytes:
    return b"".join(gzip.compress(body[start : start + 100]) for start in range(0, len(body), 100))


def in_two(body: bytes) -> bytes:
    return gzip.compress(body[:10_000]) + gzip.compress(body[10_000:])


def filled_up(body: bytes) -> bytes:
    return gzip.compress(body) + b"\0" * 10_000


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", in_gzip),
        ("GZIP", in_gzip),
        ("x-gzip", in_gzip),
        ("gzip", in_members),
        ("gzip", filled_up),
        ("deflate", in_zlib),
        ("deflate", without_head),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_what_is_packed_is_read_as_if_it_were_not(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    shim = Shim()
    answer = shim.post(pack(BODY), headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()) == (200, {"stored": 1_000})


@pytest.mark.parametrize("pack", [in_gzip, in_zlib, without_head])
@pytest.mark.parametrize("length", [1023, 1024, 65_535, 65_536, 65_537, 400_000])
def test_every_length_comes_out_whole(pack: Callable[[bytes], bytes], length: int) -> None:
    dice = random.Random(length)
    for note in ("x" * length, "".join(dice.choices("abcdefgh", k=length))):
        body = json.dumps({"ip": IP, "note": note}).encode()
        assert Shim().post(pack(body), headers={"Content-Encoding": "gzip"}).json() == {"stored": 1}


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "aws-chunked", "utf-8"])
def test_any_other_encoding_is_415_with_what_to_send(encoding: str) -> None:
    shim = Shim()
    before = refusals("encoding")
    answer = shim.post(BODY, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "gzip, deflate")
    assert answer.text.count("\n") == 1
    assert "gzip" in answer.text
    assert refusals("encoding") == before + 1
    assert shim.outbox.stored == []


@pytest.mark.parametrize("pack", [in_gzip, in_zlib, without_head, in_two])
@pytest.mark.parametrize("more", [1, 10, 2_000_000])
def test_a_bomb_is_413_as_a_body_of_its_length_is(pack: Callable[[bytes], bytes], more: int) -> None:
    shim = Shim(body_bytes=16_384)
    before = refusals("body_too_large")
    answer = shim.post(pack(b"[" * (16_384 + more)), headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert refusals("body_too_large") == before + 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "ends too early"),
        (BODY, "not what Content-Encoding says"),
        (gzip.compress(BODY)[:-1], "ends too early"),
        (gzip.compress(BODY)[:200], "ends too early"),
        (gzip.compress(BODY) + b"x", "follows the end"),
        (gzip.compress(b"") * 2_000, "follows the end"),
        (gzip.compress(BODY)[:-8] + b"\0" * 8, "not what Content-Encoding says"),
    ],
)
def test_what_is_not_packed_as_it_says_is_400_with_the_reason(body: bytes, told: str) -> None:
    shim = Shim()
    before = refusals("encoding")
    answer = shim.post(body, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["stored"]) == (400, 0)
    assert told in answer.json()["detail"]
    assert refusals("encoding") == before + 1
    assert shim.outbox.stored == []


def test_an_infraction_in_the_path_has_no_body_to_unpack() -> None:
    assert Shim().get(f"/infraction/{IP}", headers={"Content-Encoding": "br"}).status_code == 200
