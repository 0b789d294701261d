"""Drives running services over HTTP in wall-clock time, and judges what they answered."""
