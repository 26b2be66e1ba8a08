"""``vedette demo``: everything on rendered footage. ``show.py`` runs it, ``page.py`` writes what a person looks at."""
