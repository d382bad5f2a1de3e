"""Request keys: a hash of everything that can change an answer.

Two requests with one key have one answer. A change of model, dtype, engine, prompt, continuation, stop string or temperature changes
the key. Batch size and order do not, since answers must not depend on them.
"""

from __future__ import annotations

import hashlib
import json

from gemma_eval.types import JSON, Encoded, EncodedScore


def request_key(fingerprint: dict[str, JSON], encoded: Encoded) -> str:
    """The key of a request to the model and engine that `fingerprint` describes: 32 hex digits."""
    digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode())
    digest.update(_request_bytes(encoded))
    return digest.hexdigest()[:32]


def prompt_sha256(encoded: Encoded) -> str:
    """Hash of what the model reads: token ids of prompt and continuations, and images; 32 hex digits. Equal hashes mean equal questions,
    on any engine."""
    return hashlib.sha256(_token_bytes(encoded)).hexdigest()[:32]


def _request_bytes(encoded: Encoded) -> bytes:
    if isinstance(encoded, EncodedScore):
        return b"score" + _token_bytes(encoded)
    asked = encoded.request
    settings = [list(asked.stop), asked.max_tokens, asked.temperature, asked.samples]
    if asked.temperature > 0:
        settings.append(asked.seed)  # greedy decoding draws nothing
    return b"generate" + _token_bytes(encoded) + json.dumps(settings).encode()


def _token_bytes(encoded: Encoded) -> bytes:
    images = b"".join(f"{span.start}:{span.end}:{span.content};".encode() for span in encoded.images)
    if not isinstance(encoded, EncodedScore):
        return images + encoded.prompt.astype("<i4").tobytes()
    parts = [images]
    for sequence, start in zip(encoded.sequences, encoded.starts, strict=True):
        parts.append(f"{len(sequence)}:{start};".encode() + sequence.astype("<i4").tobytes())
    return b"".join(parts)
