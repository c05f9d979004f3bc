"""Checks signed intervals of energy with nothing of kwaainet's: check_intervals.py FILE. Prints the peer id, or fails."""
import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    from rfc8785 import dumps as canonical
except ImportError:  # the same for ASCII names and numbers that need no exponent

    def canonical(value):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def peer_id(key: bytes) -> str:
    """libp2p: short keys stand in the id, of longer ones their SHA-256."""
    digest = b"\x00" + bytes([len(key)]) + key if len(key) <= 42 else b"\x12\x20" + hashlib.sha256(key).digest()
    number, text = int.from_bytes(digest, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return "1" * (len(digest) - len(digest.lstrip(b"\x00"))) + text


with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)
signature = document.pop("signature")
key, value = base64.b64decode(signature["publicKey"]), base64.b64decode(signature["value"])
if signature["algorithm"] == "Ed25519":  # protobuf: 4 bytes of header, then the key
    Ed25519PublicKey.from_public_bytes(key[4:]).verify(value, canonical(document))
else:  # 5 bytes of header, then SubjectPublicKeyInfo
    public = serialization.load_der_public_key(key[5:])
    public.verify(value, canonical(document), padding.PKCS1v15(), hashes.SHA256())
assert peer_id(key) == document["peer_id"], "the key is another's"
assert document["issued"] is False
print(document["peer_id"])
