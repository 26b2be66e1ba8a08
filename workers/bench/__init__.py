"""``vedette bench``: what this machine can do, in one run and as ratios. Start at ``workers/bench/cli.py``."""
