"""A tiny BERT sentence encoder on disk: random weights, a real WordPiece tokenizer, the files of the hub's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import BertWordPieceTokenizer
from tokenizers.processors import BertProcessing

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
}
SENTENCES = ("a person in a red coat near the gate", "two cars wait", "a dog runs along the fence at night")


def tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights under the names of transformers' BertModel."""
    rng = np.random.default_rng(seed)
    d, wide = config["hidden_size"], config["intermediate_size"]

    def draw(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.2).astype(np.float32)

    made = {
        "embeddings.word_embeddings.weight": draw(config["vocab_size"], d),
        "embeddings.position_embeddings.weight": draw(config["max_position_embeddings"], d),
        "embeddings.token_type_embeddings.weight": draw(2, d),
        "embeddings.LayerNorm.weight": 1 + draw(d),
        "embeddings.LayerNorm.bias": draw(d),
        "pooler.dense.weight": draw(d, d),
        "pooler.dense.bias": draw(d),
    }
    for number in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{number}"
        for part, shape in (
            ("attention.self.query", (d, d)),
            ("attention.self.key", (d, d)),
            ("attention.self.value", (d, d)),
            ("attention.output.dense", (d, d)),
            ("intermediate.dense", (wide, d)),
            ("output.dense", (d, wide)),
        ):
            made[f"{name}.{part}.weight"] = draw(*shape)
            made[f"{name}.{part}.bias"] = draw(shape[0])
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            made[f"{name}.{part}.weight"] = 1 + draw(d)
            made[f"{name}.{part}.bias"] = draw(d)
    return made


def save_tiny(folder: Path, *, is_mean: bool = True, **changes: Any) -> Path:
    """Write the whole checkpoint to ``folder``; ``changes`` go into config.json only."""
    (folder / "1_Pooling").mkdir(parents=True)
    tokenizer = BertWordPieceTokenizer()
    tokenizer.train_from_iterator(SENTENCES, vocab_size=200, show_progress=False)
    ends = [(mark, tokenizer.token_to_id(mark)) for mark in ("[SEP]", "[CLS]")]
    tokenizer._tokenizer.post_processor = BertProcessing(*ends)
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {**CONFIG, "vocab_size": tokenizer.get_vocab_size()}
    save_file(tensors(config), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24}))
    pooling = {"pooling_mode_mean_tokens": is_mean, "pooling_mode_cls_token": not is_mean}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder
