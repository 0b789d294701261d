"""Random streams: one of its own for every tenant and purpose, all from one scenario seed.

A stream is keyed by the tenant's id and by what is drawn from it, not by the order in which
streams are opened. So another tenant, or another distribution of the same tenant, leaves every
value of this one as it was.
"""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one tenant. ``seed`` is the scenario's, an integer >= 0."""

    seed: int
    tenant_id: str

    def open(self, purpose: str) -> np.random.Generator:
        """A generator at the start of the stream of ``purpose``; the same each time it is opened.

        The seed sequence's entropy is the scenario seed followed by the eight 32-bit words of
        SHA-256(tenant id, NUL, purpose). Raises ValueError for a negative seed.
        """
        name = f"{self.tenant_id}\0{purpose}".encode()
        words = np.frombuffer(hashlib.sha256(name).digest(), dtype="<u4")
        entropy = [self.seed, *(int(word) for word in words)]
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy)))
