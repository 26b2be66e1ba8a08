"""The words of the OpenAI chat protocol: a prompt becomes the body of a request, the body of an answer a reply.

Servers that speak it differ in what they take: some enforce a JSON schema, some know only "JSON", some refuse keys they
do not know or a name that has changed. :data:`FORMS` are the dialects, most wanted first; the caller,
``pipeline/describe/server.py``, goes down the list until one is understood. Pictures travel inline, as JPEG. Pure:
nothing is sent from here.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import Prompt, Reply
from pipeline.errors import ModelError

__all__ = ["FORMS", "Form", "body_of", "reply_of"]

_JPEG_QUALITY = 88


@dataclass(frozen=True, slots=True)
class Form:
    """One dialect of the request; servers differ in what they take and in what they answer 400 to."""

    format: str | None
    token_key: str
    extra: tuple[tuple[str, Any], ...]


_GREEDY = ("temperature", 0)
FORMS = (
    # Open servers: the schema is enforced, and models that can think aloud are told not to.
    Form("json_schema", "max_tokens", (_GREEDY, ("chat_template_kwargs", {"enable_thinking": False}))),
    # Paid services refuse unknown keys, and the newest ones a temperature and the old name of the token limit.
    Form("json_schema", "max_completion_tokens", ()),
    Form("json_object", "max_tokens", (_GREEDY,)),
    Form(None, "max_tokens", (_GREEDY,)),
)


def body_of(model: str, prompt: Prompt, form: Form) -> bytes:
    """The request for ``model`` on a server to answer ``prompt``, in one dialect, as UTF-8 JSON."""
    pictures = [{"type": "image_url", "image_url": {"url": _inline(rgb)}} for rgb in prompt.images]
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": [*pictures, {"type": "text", "text": prompt.user}]},
        ],
        form.token_key: prompt.max_tokens,
        "stream": False,
        **dict(form.extra),
    }
    if prompt.schema is not None and form.format == "json_schema":
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "description", "schema": prompt.schema},
        }
    elif prompt.schema is not None and form.format == "json_object":
        body["response_format"] = {"type": "json_object"}
    return json.dumps(body).encode()


def _inline(rgb: NDArray[np.uint8]) -> str:
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    is_encoded, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not is_encoded:
        raise ModelError(f"A picture of {rgb.shape[1]}x{rgb.shape[0]} cannot be written as JPEG.")
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()


def reply_of(content: bytes, latency_s: float) -> Reply:
    """The first choice's text. Raises ModelError for anything that is not a chat completion."""
    try:
        answer = json.loads(content)
        message = answer["choices"][0]["message"]
        text = message["content"]
        usage = answer.get("usage") or {}
        counts = [usage.get(key, 0) for key in ("prompt_tokens", "completion_tokens")]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise ModelError("The server's answer is no chat completion.") from error
    if not isinstance(text, str):
        raise ModelError("The server's answer holds no text.")
    prompt_tokens, reply_tokens = (count if isinstance(count, int) and count >= 0 else 0 for count in counts)
    return Reply(text, prompt_tokens, reply_tokens, latency_s)
