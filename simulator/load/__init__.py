"""One trace shared out among the workers of a Locust run, and the judgement of what they heard.

Nothing in here imports Locust; ``simulator/locustfile.py`` alone does.
"""
