"""From moments to words: facts are measured, a writer or a model phrases them, and every claim is held against them.

Start reading at ``pipeline/descriptions.py`` (the values), then ``pipeline/describe/facts.py``.
"""
