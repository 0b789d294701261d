"""Probes a running service with bursts: exactly as many calls are admitted as the limit allows."""
