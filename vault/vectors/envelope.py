"""The vault's formats, written a second time from their description (docs/adr/0010) alone.

Prints the vectors that src/tests/fields.rs holds the vault to. Needs `cryptography` on OpenSSL 3.2 or later:
    python3 vault/vectors/envelope.py
"""

import hashlib
import hmac
import uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV


def encode(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


kek, data_key, salt = b"\x66" * 32, b"\x22" * 32, b"\x44" * 32
wrapping_nonce, nonce = b"\x33" * 12, b"\x55" * 12
key_id = uuid.UUID("11111111-1111-4111-9111-111111111111").bytes
workspace = uuid.UUID(int=0x570001).bytes
event = uuid.UUID("01900000-0000-7000-8000-000000000001").bytes
field, value = b"device_label", b"Ada's laptop"

kek_id = b"held:" + hashlib.sha256(b"tollbook/kek\0" + kek).hexdigest()[:16].encode()
context = encode(b"tollbook/wrapped-key/1", key_id, workspace, b"bodies", kek_id)
wrapped = b"\1" + wrapping_nonce + AESGCMSIV(kek).encrypt(wrapping_nonce, data_key, context)

commitment = hashlib.sha256(salt + field + value).digest()
belongs_to = encode(
    b"tollbook/belongs-to/1", b"\1\1", key_id, b"event_body", workspace, event, field, bytes(8)
) + b"\0\0"
sealed = b"\1\1" + key_id + nonce + AESGCMSIV(data_key).encrypt(nonce, salt + value, belongs_to)

digest_key = hashlib.sha256(b"tollbook/digest/1" + data_key).digest()
digest = hmac.new(digest_key, value, hashlib.sha256)

print("KEK_ID", kek_id.decode())
print("WRAPPED", wrapped.hex())
print("COMMITMENT", commitment.hex())
print("CIPHERTEXT", sealed.hex())
print("DIGEST", digest.hexdigest())
