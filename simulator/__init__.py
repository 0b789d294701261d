"""Draws call traffic from scenarios, plays it against the service and judges what was counted."""
