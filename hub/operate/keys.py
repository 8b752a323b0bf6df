"""The hub's signing key (Ed25519), made at the first start in a file that only the owner can read; its public half lies beside it."""

from __future__ import annotations

import os
from pathlib import Path

from hub.domain.signature import Signer, key_id
from hub.errors import Rejected

NAME = "hub-signing-key.pem"
PUBLIC = "hub-signing-key.pub"


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, as a whole and to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(path.name + ".new")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def refuse_readable(path: Path) -> None:
    """Raise Rejected `secret_readable` where others than the owner can read the file."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise Rejected("secret_readable", f"密钥文件 {path} 可被他人读取，请执行 chmod 600", f"others can read {path}; chmod 600 it")


def signer(data: Path, *, make: bool = True) -> Signer:
    """The hub's signer; the key is made at the first call. Raises Rejected where it is readable by others, or (with `make` False) missing."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = data / "secrets" / NAME
    if not path.exists():
        if not make:
            raise Rejected("no_key", f"没有签名密钥 {path}：数据目录对吗（--data-dir）？中心首次运行 tocsin up 时建立",
                           f"there is no signing key {path}: is it the hub's folder (--data-dir)? The first `tocsin up` makes it")
        write_private(path, Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    refuse_readable(path)
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise Rejected("wrong_key", f"{path} 不是 Ed25519 私钥", f"{path} is not an Ed25519 private key")
    made = Signer(key)
    public = data / "secrets" / PUBLIC
    if not public.exists() or public.read_text().strip() not in made.public:
        public.write_text(made.public + "\n")
    return made


def read_keys(*files: Path) -> dict[str, str]:
    """Public keys by id, from files with one base64 key a line (`#` begins a comment). Raises Rejected."""
    found: dict[str, str] = {}
    for file in files:
        try:
            lines = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise Rejected("no_key", f"无法读取公钥文件 {file}", f"cannot read the key file {file}: {error}") from None
        for line in lines:
            text = line.partition("#")[0].strip()
            if text:
                found[key_id(text)] = text
    return found


def known_keys(data: Path) -> dict[str, str]:
    """The public keys that this data folder trusts: the hub's own, and former ones in `secrets/former-keys`."""
    own = data / "secrets" / PUBLIC
    former = data / "secrets" / "former-keys"
    return read_keys(*(path for path in (own, former) if path.exists()))
