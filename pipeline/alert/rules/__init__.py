"""The explicit rules: one file per idea, each a small fold over views. Start at ``judge.py``."""
