"""Rendered surveillance scenes with exact truth: people, vehicles and events no real footage labels so well.

In: a scene by name or a YAML script. Out: frames, a video file, and the truth of each frame. Why not a game engine: it
has to run in the demo, on two cores, from wheels alone (see ``tracing.py``). Start with ``model.py``, then
``script.py``, ``timeline.py`` (who does what when), ``plate.py`` (the empty scene), ``draw.py`` (actors in it),
``sensor.py`` (the camera), ``renderer.py``.
"""

from pipeline.scenes.events import EVENT_KINDS
from pipeline.scenes.model import Scene
from pipeline.scenes.renderer import Renderer, render
from pipeline.scenes.script import SceneSummary, list_scenes, load_scene, parse_scene
from pipeline.scenes.truth import FrameTruth, Truth, TruthEvent, TruthObject, TruthZone, load_truth
from pipeline.scenes.variety import vary

__all__ = [
    "EVENT_KINDS",
    "FrameTruth",
    "Renderer",
    "Scene",
    "SceneSummary",
    "Truth",
    "TruthEvent",
    "TruthObject",
    "TruthZone",
    "list_scenes",
    "load_scene",
    "load_truth",
    "parse_scene",
    "render",
    "vary",
]
