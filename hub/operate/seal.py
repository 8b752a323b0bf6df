"""An encrypted file: AES-256-GCM in chunks under a key from a passphrase (scrypt). Any damage, cut or reordering is noticed.

The layout is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015): each chunk's nonce carries its number and whether it is the last one;
the header is authenticated with every chunk.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from hub.errors import Rejected

MAGIC: Final = b"TOCSIN-BACKUP-1\n"
CHUNK: Final = 1_048_576
_LENGTH = struct.Struct(">I")
_SCRYPT_N: Final = 2**15
"""32 MiB and about 0.1 s a guess with r = 8 (RFC 7914, section 2)."""
_HEADER_LIMIT: Final = 4096


class Header(Struct, frozen=True, kw_only=True):
    """How the key is made from the passphrase (hex salt), and the chunk size in bytes."""

    salt: str
    n: int
    r: int
    p: int
    chunk: int


def _key(passphrase: str, header: Header) -> bytes:
    if not (2**14 <= header.n <= 2**17 and header.n & (header.n - 1) == 0 and 1 <= header.r <= 16 and 1 <= header.p <= 4):
        raise Rejected("damaged_backup", "备份文件头损坏", "the header of the backup is damaged")
    return hashlib.scrypt(passphrase.encode(), salt=bytes.fromhex(header.salt), n=header.n, r=header.r, p=header.p, dklen=32,
                          maxmem=256 * header.n * header.r)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


class Sealer(io.RawIOBase):
    """Writes an encrypted file to `out`; `close` writes the last chunk. What is written is read back only with the passphrase."""

    def __init__(self, out: BinaryIO, passphrase: str) -> None:
        header = Header(salt=os.urandom(16).hex(), n=_SCRYPT_N, r=8, p=1, chunk=CHUNK)
        raw = msgspec.json.encode(header)
        self._head = MAGIC + _LENGTH.pack(len(raw)) + raw
        self._cipher = AESGCM(_key(passphrase, header))
        self._out = out
        self._buffer = bytearray()
        self._number = 0
        self._done = False
        out.write(self._head)

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Take bytes; whole chunks go out at once."""
        self._buffer += data
        while len(self._buffer) > CHUNK:
            self._put(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]
        return len(data)

    def _put(self, plain: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last), plain, self._head)
        self._out.write(_LENGTH.pack(len(sealed)) + sealed)
        self._number += 1

    def finish(self) -> None:
        """Write the last chunk; without it the file is refused as cut off."""
        if not self._done:
            self._put(bytes(self._buffer), last=True)
            self._done = True


def opened(source: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """The content of an encrypted file, chunk by chunk. Raises Rejected `damaged_backup` or `wrong_passphrase` (at the first chunk)."""
    head, header = _read_header(source)
    cipher = AESGCM(_key(passphrase, header))
    number = 0
    while True:
        sealed = _read_chunk(source)
        try:
            yield cipher.decrypt(_nonce(number, False), sealed, head)
        except InvalidTag:
            try:
                plain = cipher.decrypt(_nonce(number, True), sealed, head)
            except InvalidTag:
                raise _damaged(number) from None
            yield plain
            if source.read(1):
                raise Rejected("damaged_backup", "备份文件末尾有多余内容", "the backup goes on after its end") from None
            return
        number += 1


def _read_header(source: BinaryIO) -> tuple[bytes, Header]:
    magic = source.read(len(MAGIC))
    length = source.read(_LENGTH.size)
    if magic != MAGIC or len(length) != _LENGTH.size or _LENGTH.unpack(length)[0] > _HEADER_LIMIT:
        raise Rejected("not_a_backup", "这不是 Tocsin 备份文件", "this is not a backup of Tocsin", field="file")
    raw = source.read(_LENGTH.unpack(length)[0])
    try:
        header = msgspec.json.decode(raw, type=Header)
        bytes.fromhex(header.salt)
    except (msgspec.MsgspecError, ValueError, UnicodeDecodeError):
        raise Rejected("damaged_backup", "备份文件头损坏", "the header of the backup is damaged", field="file") from None
    return magic + length + raw, header


def _read_chunk(source: BinaryIO) -> bytes:
    length = source.read(_LENGTH.size)
    size = _LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else 0
    if not 16 <= size <= CHUNK + 16:
        raise Rejected("damaged_backup", "备份文件被截断或损坏", "the backup is cut off or damaged", field="file")
    sealed = source.read(size)
    if len(sealed) != size:
        raise Rejected("damaged_backup", "备份文件被截断", "the backup is cut off", field="file")
    return sealed


def _damaged(number: int) -> Rejected:
    if number == 0:
        return Rejected("wrong_passphrase", "口令不对，或备份文件损坏", "the passphrase is wrong, or the backup is damaged", field="passphrase_file")
    return Rejected("damaged_backup", f"备份文件损坏（约第 {number} MiB 处）", f"the backup is damaged near MiB {number}", field="file")


class Reader(io.RawIOBase):
    """An encrypted file as a stream of plain bytes, for `tarfile`."""

    def __init__(self, source: BinaryIO, passphrase: str) -> None:
        self._chunks = opened(source, passphrase)
        self._left = b""
        self.read_bytes = 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Fill the buffer as far as the present chunk goes."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        self.read_bytes += size
        return size

    def drain(self) -> None:
        """Read what is left, so that the last chunk has been seen."""
        for _ in self._chunks:
            pass
