"""What the HTTP benchmarks share: the client, and the peer they are measured against."""
