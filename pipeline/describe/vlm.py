"""A vision-language model in this process: :class:`TransformersModel`. The door to transformers.

In: prompts with pictures; out: replies, greedy (the same prompt gives the same reply), held to the prompt's JSON schema
(``pipeline/describe/constrained.py``), bounded in tokens and in time. Nothing of a checkpoint is executed, nothing is
loaded that ``pipeline/describe/checkpoint.py`` has not seen, and what it lacks is never filled with random numbers.
``pipeline/describe/MODELS.md`` lists models, their memory and licences, and which of them were run.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from pipeline.describe.checkpoint import Checkpoint, available_memory_bytes, find, require_memory
from pipeline.describe.settings import ModelSettings
from pipeline.descriptions import Prompt, Reply
from pipeline.errors import ModelError
from pipeline.redact import redact

try:
    import torch
    import transformers as _library

    from pipeline.describe.constrained import SchemaGuide

    _MODELS: Any = _library.AutoModelForImageTextToText  # transformers loads its parts when they are named, and
    _PROCESSORS: Any = _library.AutoProcessor  # what these lack is to be told now, not in the middle of loading
except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
    raise ModelError(
        "Describing with a model in process needs the extra `models` with torchvision of the same build as torch: "
        f"pip install 'vedette[models]' ({redact(str(error.__cause__ or error).strip()[:200])})."
    ) from error

__all__ = ["CPU_MODEL", "GPU_MODELS", "TransformersModel"]

CPU_MODEL = "Qwen/Qwen3.5-0.8B"
GPU_MODELS = ((14.0, "Qwen/Qwen3.5-4B"), (7.0, "Qwen/Qwen3.5-2B"), (0.0, CPU_MODEL))
"""(GiB free on the GPU at least, model): what ``model: auto`` takes; the first that fits."""

transformers: Any = _library  # half of its functions are typed
_QUANTIZED_BYTES = {"none": 0.0, "int8": 1.0, "int4": 0.6}  # a weight; four bits and the scales, and what stays wide
_WARM_UP_TOKENS = 4
_MIN_WORDS = 256  # one for each byte; where its files are missing, transformers makes a tokenizer of one word
_SAFE = {"local_files_only": True, "trust_remote_code": False}  # unset, the latter asks whoever is at the terminal


class TransformersModel:
    """One model on one device. Thread-safe: replies are made one batch at a time."""

    def __init__(self, settings: ModelSettings, *, timeout_s: float = 30.0) -> None:
        """Loads the model, which takes seconds to minutes. ``timeout_s`` bounds the writing of one batch of replies.

        Raises ModelError when it cannot be found, loaded, held in memory, or does not take pictures.
        """
        self._device = _device(settings.device)
        if settings.threads and self._device.type == "cpu":
            torch.set_num_threads(settings.threads)
        name = _automatic(self._device) if settings.model == "auto" else settings.model
        checkpoint = find(name, revision=settings.revision, is_offline=settings.is_offline)
        dtype = _dtype(settings, self._device)
        _require_room(checkpoint, settings, dtype, self._device)
        _silence()
        self._processor, self._model = _load(checkpoint, settings, dtype, self._device)
        tokenizer = self._processor.tokenizer
        self._control = _control_tokens(tokenizer)
        self._end_tokens = _end_tokens(self._model, tokenizer)
        self._pad_token = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self._end_tokens[0])
        width = int(self._model.get_output_embeddings().weight.shape[0])
        self._guide = SchemaGuide(tokenizer.backend_tokenizer.to_str(), width, self._end_tokens)
        self._max_batch = settings.max_batch
        self._timeout_s = timeout_s
        self._name = f"vlm:{checkpoint.name}"
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """``vlm:`` and the last part of the checkpoint's name."""
        return self._name

    def warm_up(self) -> None:
        """Write a few tokens about a grey picture, so that the first real one need not wait for first-time work.

        Raises ModelError when the model does not run.
        """
        grey = np.full((64, 64, 3), 127, np.uint8)
        self.reply([Prompt("Describe.", "What is in the picture?", (grey,), None, _WARM_UP_TOKENS)])

    def reply(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply per prompt, in order, in batches of prompts with the same token limit.

        A reply that runs out of tokens or time is handed over as far as it came. Raises ModelError when the model or
        the device fails.
        """
        replies: list[Reply] = []
        for batch in _batches(prompts, self._max_batch):
            with self._lock:
                replies.extend(self._batch(batch))
        return replies

    def _batch(self, prompts: Sequence[Prompt]) -> list[Reply]:
        begin_s = time.perf_counter()
        try:
            inputs = self._inputs(prompts)
            length = int(inputs["input_ids"].shape[1])
            mask = self._guide.mask([prompt.schema for prompt in prompts], length)
            with torch.inference_mode():
                tokens = self._model.generate(
                    **inputs, generation_config=self._generation(prompts[0].max_tokens), logits_processor=[mask]
                )
        except ModelError:
            raise
        except Exception as error:  # processors and kernels raise whatever their parts raise
            if self._device.type == "cuda":
                torch.cuda.empty_cache()  # out of memory: what the failed batch held is free for the next one
            raise ModelError(f"{self._name} failed to reply ({_first_line(error)}).") from error
        latency_s = time.perf_counter() - begin_s
        counts = inputs["attention_mask"].sum(dim=1).tolist()
        return [self._read(row, count, latency_s) for row, count in zip(tokens[:, length:], counts, strict=True)]

    def _generation(self, max_tokens: int) -> Any:
        """Greedy, whatever the checkpoint's own defaults say."""
        return transformers.GenerationConfig(
            max_new_tokens=max_tokens,
            max_time=self._timeout_s,
            do_sample=False,
            num_beams=1,
            eos_token_id=self._end_tokens,
            pad_token_id=self._pad_token,
        )

    def _inputs(self, prompts: Sequence[Prompt]) -> Any:
        texts = [self._text(prompt) for prompt in prompts]
        pictures = [list(prompt.images) for prompt in prompts]
        inputs = self._processor(
            text=texts,
            images=pictures if any(pictures) else None,
            padding=True,
            padding_side="left",
            return_tensors="pt",
            **_undivided(self._processor.image_processor),
        )
        return inputs.to(self._device, dtype=self._model.dtype)

    def _text(self, prompt: Prompt) -> str:
        """The prompt in the model's own chat form; control tokens spelt out in it are blanked first."""
        system, user = (self._control.sub(" ", part) for part in (prompt.system, prompt.user))
        pictures = [{"type": "image"} for _ in prompt.images]
        messages = [
            {"role": "system", "content": [{"type": "text", "text": system}]},
            {"role": "user", "content": [*pictures, {"type": "text", "text": user}]},
        ]
        # Models that can think aloud first would spend the token limit on it; others ignore the word.
        text = self._processor.apply_chat_template(messages, add_generation_prompt=True, enable_thinking=False)
        return str(text)

    def _read(self, tokens: torch.Tensor, prompt_tokens: int, latency_s: float) -> Reply:
        ids = tokens.tolist()
        end = next((i for i, token in enumerate(ids) if token in self._end_tokens), len(ids))
        text = self._processor.tokenizer.decode(ids[:end], skip_special_tokens=True)
        return Reply(text, int(prompt_tokens), end, latency_s)


def _batches(prompts: Sequence[Prompt], most: int) -> Iterator[list[Prompt]]:
    for _, group in groupby(prompts, key=lambda prompt: prompt.max_tokens):
        alike = list(group)
        yield from (alike[i : i + most] for i in range(0, len(alike), most))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without this kind of device
        raise ModelError(f"The device {name!r} cannot be used ({_first_line(error)}).") from error
    return device


def _automatic(device: torch.device) -> str:
    if device.type != "cuda":
        return CPU_MODEL
    free_gib = torch.cuda.mem_get_info(device)[0] / 2**30
    return next(model for least_gib, model in GPU_MODELS if free_gib >= least_gib)


def _dtype(settings: ModelSettings, device: torch.device) -> torch.dtype:
    """``auto``: bfloat16 where the device computes in it, float16 on older GPUs and with int8 weights, else float32."""
    if settings.dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[settings.dtype]
    if settings.quantization == "int8":
        return torch.float16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


def _require_room(checkpoint: Checkpoint, settings: ModelSettings, dtype: torch.dtype, device: torch.device) -> None:
    if checkpoint.is_quantized:
        needed = checkpoint.stored_bytes
    else:
        width = _QUANTIZED_BYTES[settings.quantization] or float(torch.empty(0, dtype=dtype).element_size())
        needed = int(checkpoint.parameters * width)
    available = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory_bytes()
    require_memory(needed, int(available), f"The model {checkpoint.name}")


def _load(checkpoint: Checkpoint, settings: ModelSettings, dtype: torch.dtype, device: torch.device) -> tuple[Any, Any]:
    folder = str(checkpoint.folder)
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **_SAFE)
        if type(config) not in _MODELS._model_mapping:
            raise ModelError(f"The model {checkpoint.name} is of the kind {config.model_type}, which sees no pictures.")
        processor = _PROCESSORS.from_pretrained(folder, **_SAFE)
        model, loading = _MODELS.from_pretrained(
            folder,
            **_SAFE,
            use_safetensors=True,
            dtype=dtype,
            output_loading_info=True,
            **_placement(settings, dtype, device),
        )
    except ModelError:
        raise
    except Exception as error:  # a foreign folder makes the library raise whatever its parts raise
        raise ModelError(f"The model {checkpoint.name} cannot be loaded ({_first_line(error)}).") from error
    absent = sorted(loading["missing_keys"]) + sorted(str(key) for key in loading["mismatched_keys"])
    if absent:
        raise ModelError(
            f"The model {checkpoint.name} lacks {len(absent)} of its weights, {absent[0]} for instance: "
            "its files do not belong together."
        )
    _require_chat(processor, checkpoint.name)
    if settings.quantization == "none" and not checkpoint.is_quantized:
        model = model.to(device)
    return processor, model.eval()


def _placement(settings: ModelSettings, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    chosen: dict[str, Any] = {} if settings.attention == "auto" else {"attn_implementation": settings.attention}
    if settings.quantization != "none":
        is_int8 = settings.quantization == "int8"
        chosen["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_8bit=is_int8,
            load_in_4bit=not is_int8,
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_quant_type="nf4",
        )
        chosen["device_map"] = {"": device}
    return chosen


def _require_chat(processor: Any, name: str) -> None:
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise ModelError(f"The model {name} comes without a processor of pictures.")
    if not (getattr(processor, "chat_template", None) or getattr(tokenizer, "chat_template", None)):
        raise ModelError(f"The model {name} comes without a chat template: it was not made to follow instructions.")
    if len(tokenizer) < _MIN_WORDS:
        raise ModelError(f"The model {name} comes without the words of its tokenizer.")
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise ModelError(f"The model {name} comes without a fast tokenizer, which constrained replies need.")


def _control_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Every token with a meaning of its own, however it is spelt out in a text."""
    words = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    ordered = sorted((word for word in words if word.strip()), key=lambda word: (-len(word), word))
    return re.compile("|".join(re.escape(word) for word in ordered) or r"(?!)")


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    own = model.generation_config.eos_token_id
    found = own if isinstance(own, list) else [own]
    ends = dict.fromkeys(int(token) for token in (*found, tokenizer.eos_token_id) if token is not None)
    if not ends:
        raise ModelError("The model names no token that ends a reply.")
    return list(ends)


def _undivided(image_processor: Any) -> dict[str, Any]:
    """One tile per picture: what matters was cut out before, and tiles multiply the cost (SmolVLM: 17 times)."""
    return {"do_image_splitting": False} if hasattr(image_processor, "do_image_splitting") else {}


def _silence() -> None:
    """No progress bars and no advice on standard error, where a worker writes one JSON object per line."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return redact(lines[0][:300]) if lines else type(error).__name__
