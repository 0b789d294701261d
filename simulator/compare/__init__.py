"""Two results side by side: what moved, and what of it is beyond chance."""
