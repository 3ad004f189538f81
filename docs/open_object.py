#!/usr/bin/env python3
"""Opens an object that mnemospark's client has sealed, without mnemospark.

Needs Python 3.9 and the package "cryptography" (pip install cryptography). The format is in docs/envelope.md.

  python3 open_object.py --kek ~/.openclaw/mnemospark/keys/<addr_hash>.key --wallet 0x... --object-id main/photos.tar \
      object.age photos.tar
  python3 open_object.py --identity recovery-key.txt object.age photos.tar
  python3 open_object.py --old-format --kek <file> --wrapped-dek <base64> object photos.tar.gz

The output appears under its name only when the last byte has verified.
"""
import argparse
import base64
import hashlib
import hmac
import os
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK, TAG = 64 * 1024, 16
VERSION_LINE = b"age-encryption.org/v1"


class Refused(Exception):
    pass


def unpadded(text):
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise Refused("not base64: " + text[:40])
    if base64.b64encode(data).decode().rstrip("=") != text:
        raise Refused("base64 that is not canonical")
    return data


def hkdf(key, salt, info, length=32):
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(key)


def read_stanza(arguments, next_line):
    body = b""
    while True:
        piece = unpadded(next_line())
        if len(piece) > 48:
            raise Refused("a header line is too long")
        body += piece
        if len(piece) < 48:
            return arguments, body


def read_header(file):
    """The stanzas, the bytes the MAC covers, and the MAC."""
    seen = []

    def next_line():
        line = file.readline(65_537)
        if not line.endswith(b"\n"):
            raise Refused("the header has no end")
        seen.append(line)
        return line[:-1].decode("latin1")

    if next_line().encode("latin1") != VERSION_LINE:
        raise Refused("this does not begin as an age file; is it in the old format (--old-format)?")
    stanzas = []
    while True:
        line = next_line()
        if line.startswith("--- "):
            covered = b"".join(seen)[: -len(line) - 1] + b"---"
            return stanzas, covered, unpadded(line[4:])
        if not line.startswith("-> "):
            raise Refused("the header is malformed")
        stanzas.append(read_stanza(line[3:].split(" "), next_line))


def context_digest(chain_id, wallet, object_id, version):
    digest = hashlib.sha256()
    for field in ("mnemospark/v1", str(chain_id), wallet.lower(), object_id, str(version)):
        data = field.encode()
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.digest()


def read_kek(path):
    with open(os.path.expanduser(path), "rb") as file:
        data = file.read(257)
    kek = data if len(data) == 32 else base64.b64decode(data)
    if len(kek) != 32:
        raise Refused(path + " does not hold 32 bytes")
    return kek


def kid_of(kek):
    return hashlib.sha256(b"mnemospark/kid" + kek).hexdigest()[:16]


def parse_wrapped_dek(text):
    lines = base64.b64decode(text).decode("latin1").split("\n")
    if len(lines) != 3 or not lines[0].startswith("-> ") or lines[2]:
        raise Refused("--wrapped-dek is not a wrapped key")
    return lines[0][3:].split(" "), unpadded(lines[1])


def file_key_by_kek(stanzas, options):
    ours = [stanza for stanza in stanzas if stanza[0][0] == "mnemospark-kek"]
    if len(ours) != 1:
        raise Refused("the object carries %d keys wrapped for a wallet; wanted one" % len(ours))
    arguments, body = parse_wrapped_dek(options.wrapped_dek) if options.wrapped_dek else ours[0]
    if len(arguments) not in (3, 4):
        raise Refused("the wrapped key is malformed")
    kid, nonce = arguments[1:3]
    named = int(arguments[3]) if len(arguments) == 4 and arguments[3].isdigit() else 1
    version = options.object_version or named
    kek = read_kek(options.kek)
    if kid_of(kek) != kid:
        raise Refused("the object is sealed under key %s; the file holds key %s" % (kid, kid_of(kek)))
    digest = context_digest(options.chain_id, options.wallet, options.object_id, version)
    try:
        return AESGCM(kek).decrypt(unpadded(nonce), body, digest)
    except InvalidTag:
        raise Refused("the key does not open: another wallet, object id, version or chain id, or it was altered")


BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def identity_of(text):
    """Bech32 (BIP 173) of AGE-SECRET-KEY-1..."""
    text = text.strip().lower()
    head, _, data = text.rpartition("1")
    if head != "age-secret-key-" or any(letter not in BECH32 for letter in data):
        raise Refused("that is no AGE-SECRET-KEY-1...")
    values = [BECH32.index(letter) for letter in data]
    check = 1
    for value in [ord(c) >> 5 for c in head] + [0] + [ord(c) & 31 for c in head] + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    if check != 1:
        raise Refused("the recovery key has a typing error (its checksum is wrong)")
    bits = "".join(format(value, "05b") for value in values[:-6])
    return bytes(int(bits[at : at + 8], 2) for at in range(0, 256, 8))


def file_key_by_identity(stanzas, path):
    with open(os.path.expanduser(path)) as file:
        lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    secret = X25519PrivateKey.from_private_bytes(identity_of(lines[0] if lines else ""))
    raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    for arguments, body in stanzas:
        if arguments[0] != "X25519":
            continue
        share = unpadded(arguments[1])
        shared = secret.exchange(X25519PublicKey.from_public_bytes(share))
        salt = share + secret.public_key().public_bytes(*raw)
        key = hkdf(shared, salt, b"age-encryption.org/v1/X25519")
        try:
            return ChaCha20Poly1305(key).decrypt(b"\0" * 12, body, None)
        except InvalidTag:
            continue
    raise Refused("the object was not sealed for this recovery key")


def open_age(file, write, options):
    stanzas, covered, mac = read_header(file)
    by_identity = options.identity is not None
    file_key = file_key_by_identity(stanzas, options.identity) if by_identity else file_key_by_kek(stanzas, options)
    expected = hmac.new(hkdf(file_key, b"", b"header"), covered, hashlib.sha256).digest()
    if not hmac.compare_digest(expected, mac):
        raise Refused("the header has been altered")
    payload = ChaCha20Poly1305(hkdf(file_key, file.read(16), b"payload"))
    sealed, index = file.read(CHUNK + TAG), 0
    while True:
        following = file.read(CHUNK + TAG)
        nonce = index.to_bytes(11, "big") + (b"\0" if following else b"\1")
        try:
            plain = payload.decrypt(nonce, sealed, None)
        except InvalidTag:
            raise Refused("chunk %d is damaged, missing or out of order" % index)
        if index > 0 and not plain:
            raise Refused("the last chunk is empty")
        write(plain)
        if not following:
            return
        sealed, index = following, index + 1


def open_old(file, write, options):
    kek, wrapped = read_kek(options.kek), base64.b64decode(options.wrapped_dek or "")
    try:
        dek = AESGCM(kek).decrypt(wrapped[:12], wrapped[12:], None)
    except (InvalidTag, ValueError):
        raise Refused("the wrapped key does not open with this key")
    nonce, held = file.read(12), file.read(TAG)
    decryptor = Cipher(algorithms.AES(dek), modes.GCM(nonce)).decryptor()
    for piece in iter(lambda: file.read(CHUNK), b""):
        held += piece
        write(decryptor.update(held[:-TAG]))
        held = held[-TAG:]
    try:
        write(decryptor.finalize_with_tag(held))
    except (InvalidTag, ValueError):
        raise Refused("the object is damaged or cut")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("object")
    parser.add_argument("output")
    parser.add_argument("--kek", help="the wallet's key file: 32 bytes, raw or base64")
    parser.add_argument("--identity", help="a file with the recovery key, AGE-SECRET-KEY-1...")
    parser.add_argument("--wallet", help="0x address that stored the object")
    parser.add_argument("--chain-id", type=int, default=8453, help="the chain it pays on (default: 8453, Base)")
    parser.add_argument("--object-id", help="<agent>/<object key>, for instance main/photos.tar")
    parser.add_argument("--object-version", type=int, help="refuse any other (default: the one the object names)")
    parser.add_argument("--wrapped-dek", help="x-amz-meta-wrapped-dek, after a key rotation or for the old format")
    parser.add_argument("--old-format", action="store_true", help="written by the client before the age format")
    options = parser.parse_args()
    if not options.identity and not options.kek:
        parser.error("wanted --kek or --identity")
    if options.kek and not options.old_format and not (options.wallet and options.object_id):
        parser.error("--kek wants --wallet and --object-id too: an object's key is bound to them")
    if os.path.lexists(options.output):
        parser.error(options.output + " already exists; nothing was written")
    partial = options.output + ".partial"
    try:
        with open(options.object, "rb") as file, open(partial, "xb") as out:
            (open_old if options.old_format else open_age)(file, out.write, options)
            out.flush()
            os.fsync(out.fileno())
        os.link(partial, options.output)
    except Refused as refused:
        sys.exit("%s: %s" % (options.object, refused))
    finally:
        if os.path.exists(partial):
            os.remove(partial)


if __name__ == "__main__":
    main()
