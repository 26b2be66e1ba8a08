"""The site file: YAML checked with line numbers and made into :mod:`pipeline.settings`. Start at :func:`load_site`.

Importing this package imports pydantic and YAML; a camera's ingest process does without both and receives its settings
through :mod:`pipeline.handover`. Next file: ``pipeline/config/site.py``.
"""

from pipeline.config.site import load_site, site_of_urls

__all__ = ["load_site", "site_of_urls"]
