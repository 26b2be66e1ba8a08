"""The JSON Schema of a site file, for editors: completion, meanings and ranges while typing.

Out: the text of ``configs/site.schema.json``; ``vedette check --schema`` prints it and a test keeps the file current.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from pipeline.config.models import NAME_PATTERN, SiteModel

__all__ = ["schema_text", "site_schema"]


def site_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a site file; cameras as a list, or as a map from name to camera or URL."""
    schema = SiteModel.model_json_schema(mode="validation")
    definitions = schema["$defs"]
    keyed = copy.deepcopy(definitions["CameraModel"])
    del keyed["properties"]["name"]
    keyed["required"] = [key for key in keyed["required"] if key != "name"]
    if not keyed["required"]:
        del keyed["required"]
    definitions["KeyedCamera"] = keyed
    cameras = schema["properties"]["cameras"]
    schema["properties"]["cameras"] = {
        "description": cameras["description"],
        "anyOf": [
            {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": NAME_PATTERN},
                "additionalProperties": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/KeyedCamera"}]},
            },
            {"type": "array", "minItems": 1, "items": cameras["items"]},
        ],
    }
    untitled: dict[str, Any] = _without_titles(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **untitled, "title": "Vedette site"}


def schema_text() -> str:
    """:func:`site_schema` as it stands in ``configs/site.schema.json``."""
    return json.dumps(site_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _without_titles(schema: Any) -> Any:
    """``schema`` without pydantic's titles, which only repeat the keys."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if isinstance(schema, dict):
        return {key: _without_titles(item) for key, item in schema.items() if key != "title" or isinstance(item, dict)}
    return schema
