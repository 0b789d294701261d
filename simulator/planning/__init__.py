"""Capacity planning: how many slots, with what certainty, and what if the traffic is different."""
