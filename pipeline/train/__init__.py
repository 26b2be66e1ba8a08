"""Training a detector for fixed cameras, from pictures to files that the detect stage loads.

The steps, each a function over a frozen configuration, and where they live::

    prepare       stills and clips -> manifests, held-out cameras kept apart      prepare.py (split.py, samples.py)
    pseudo_label  manifests + teachers -> manifests with confidence               teachers.py (decode.py)
    train         manifests -> checkpoint                                         loop.py (loader.py, augment.py,
    student.py,
                                                                                  loss.py, shards.py, checkpoint.py)
    evaluate      manifest + detectors -> one table                               evaluation.py (sheets.py)
    export        checkpoint -> ONNX, OpenVINO FP16 and INT8, checked             export.py

A recipe (``recipe.py``, ``configs/train/*.yaml``) strings them together: ``course.py``. Everything here may import
torch; the rest of the product never imports this package, so it starts without torch. First file to read:
``course.py``.
"""
