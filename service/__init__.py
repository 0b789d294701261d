"""The metrics service: admission of calls, live counters and the published endpoints."""
