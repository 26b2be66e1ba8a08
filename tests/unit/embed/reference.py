"""Run as a program: the vectors that transformers and torch give for texts, to compare with.

``python reference.py FOLDER OUT.npy`` reads a JSON list of texts from standard input. Its own process, because a
torchvision that does not fit torch (PyPI's beside the CPU wheel) keeps transformers from importing: it is hidden here.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(folder: Path, out: Path) -> None:
    find_spec = importlib.util.find_spec

    def without_torchvision(name: str, *more: Any) -> Any:
        return None if name.startswith("torchvision") else find_spec(name, *more)

    importlib.util.find_spec = without_torchvision  # type: ignore[assignment]
    import torch
    from transformers import BertModel, BertTokenizerFast

    texts = json.load(sys.stdin)
    tokenizer = BertTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    is_first = json.loads((folder / "1_Pooling" / "config.json").read_text())["pooling_mode_cls_token"]
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt")
    model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        states = model(inputs["input_ids"], inputs["attention_mask"]).last_hidden_state
    mask = inputs["attention_mask"][..., None].float()
    pooled = states[:, 0] if is_first else (states * mask).sum(1) / mask.sum(1)
    np.save(out, torch.nn.functional.normalize(pooled).numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
