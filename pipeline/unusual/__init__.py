"""What is normal for a camera, learned from the camera, and how unusual each moment is. Begin at ``judge.py``."""
