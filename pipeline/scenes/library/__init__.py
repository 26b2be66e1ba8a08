"""Ready scenes, one YAML file each; files that start with ``_`` are cameras and sets that several scenes share."""
