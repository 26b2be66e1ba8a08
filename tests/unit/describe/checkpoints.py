"""Small real checkpoints of the architectures Vedette chooses: random weights, real processors, saved to disk.

The tokenizer is trained here on the words of prompts and replies, and written in the form of Qwen's and of SmolVLM's.
Nothing is fetched. What such a model says is noise, so these prove loading, batching, constraining and serving, and
nothing about descriptions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

QWEN_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>", "<think>", "</think>",
)  # fmt: skip
SMOL_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>",
    "<video>", "User:", "Assistant:",
)  # fmt: skip

# The shape of the published templates: turns between control tokens, a place for each picture, thinking switched off.
QWEN_TEMPLATE = (
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n"
    "{%- if message.content is string %}{{ message.content }}{% else %}{%- for part in message.content %}"
    "{%- if part.type == 'text' %}{{ part.text }}{% else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}"
    "{%- endfor %}{% endif %}<|im_end|>\n{%- endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n"
    "{%- if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
SMOL_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}<image>{% endif %}{% endfor %}{% endif %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
MEND = (
    "import torch\n"
    "for name in ('nms', 'qnms'):\n"
    "    torch.library.define(f'torchvision::{name}', '(Tensor a, Tensor b, float c) -> Tensor')\n"
)


def mend_torchvision() -> None:
    """Make torchvision importable beside a torch of another build (CPU-only torch with PyPI's torchvision).

    Its compiled operators do not load there and two of them are named while it is imported; the image transforms that
    processors use are Python. See field notes; an install whose builds match is left alone.
    """
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        exec(MEND, {})
        import torchvision  # noqa: F401


def save_qwen(folder: Path) -> Path:
    """A Qwen3.5 (the architecture of ``model: auto``): two layers, one of each kind of attention."""
    import transformers

    trained = json.loads(_trained(QWEN_TOKENS).to_str())["model"]
    merges = [tuple(pair) for pair in trained["merges"]]
    tokenizer = transformers.Qwen3_5Tokenizer(trained["vocab"], merges, additional_special_tokens=list(QWEN_TOKENS))
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in QWEN_TOKENS}
    config = transformers.Qwen3_5Config(
        text_config={
            "vocab_size": len(tokenizer) + 13,  # as published: the embedding is wider than the tokenizer
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 32, "layer_types": ["linear_attention", "full_attention"],
            "linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_num_key_heads": 2,
            "linear_num_value_heads": 4, "max_position_embeddings": 8192, "initializer_range": 0.4,
            "eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|endoftext|>"],
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5,
                "mrope_section": [3, 3, 2], "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 1, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2, "out_hidden_size": 64,
            "num_position_embeddings": 64, "initializer_range": 0.4,
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )  # fmt: skip
    pixels = {"shortest_edge": 32 * 32, "longest_edge": 128 * 128}
    processor = transformers.Qwen3VLProcessor(
        transformers.Qwen2VLImageProcessor(patch_size=16, merge_size=2, temporal_patch_size=2, size=pixels),
        tokenizer,
        transformers.Qwen3VLVideoProcessor(patch_size=16, merge_size=2, temporal_patch_size=2),
        chat_template=QWEN_TEMPLATE,
    )
    return _save(folder, transformers.Qwen3_5ForConditionalGeneration, config, processor, ids["<|im_end|>"])


def save_smol(folder: Path) -> Path:
    """A SmolVLM: SigLIP and Llama, pictures in tiles unless told otherwise."""
    import transformers

    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=_trained(SMOL_TOKENS), eos_token="<end_of_utterance>", pad_token="<|im_end|>",
        additional_special_tokens=list(SMOL_TOKENS), **{
            "fake_image_token": "<fake_token_around_image>", "image_token": "<image>",
            "global_image_token": "<global-img>", "end_of_utterance_token": "<end_of_utterance>",
        },
    )  # fmt: skip
    config = transformers.SmolVLMConfig(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
        text_config={
            "model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
            "max_position_embeddings": 8192, "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 64, "patch_size": 16,
        },
    )  # fmt: skip
    tiles = {"size": {"longest_edge": 256}, "max_image_size": {"longest_edge": 64}}
    processor = transformers.SmolVLMProcessor(
        transformers.SmolVLMImageProcessor(**tiles),
        tokenizer,
        transformers.SmolVLMVideoProcessor(
            size={"longest_edge": 64}, max_image_size={"longest_edge": 64}, do_sample_frames=False,
            video_sampling={"max_frames": 4, "fps": 1, "video_size": {"longest_edge": 64}},
        ),
        image_seq_len=4,
        chat_template=SMOL_TEMPLATE,
    )  # fmt: skip
    return _save(folder, transformers.SmolVLMForConditionalGeneration, config, processor, tokenizer.eos_token_id)


def _trained(special: tuple[str, ...]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = (
        'A person walks to the gate. {"title": "One car is in the yard", "claims": ["a red bag"], "confidence": 0.9}'
    )
    tokenizer.train_from_iterator([words, Path(__file__).read_text(encoding="utf-8")], trainer)
    return tokenizer


def _save(folder: Path, kind: Any, config: Any, processor: Any, end: int) -> Path:
    import torch

    torch.manual_seed(7)
    model = kind(config).eval()
    model.generation_config.eos_token_id = end
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
