"""Detection: analysis frames in, boxes with words out. Start at ``stage.py``, then ``openvino.py``.

``card.py`` reads what a model says of itself, ``letterbox.py`` fits frames to it, ``heads.py`` and ``readout.py`` turn
its output into detections; ``ultralytics.py``, ``checkpoint.py`` and ``export.py`` need the extra ``models``.
"""
