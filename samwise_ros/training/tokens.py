"""A small tokenizer for the small presets, made from the synthetic world's own phrases. Called by `training.start`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers


def train_tokenizer(texts: Iterable[str], vocab_size: int, path: Path) -> None:
    """Fit a byte-level BPE with RoBERTa's special ids; every text has ids, also in words that were never seen.

    Args:
        texts: the corpus.
        vocab_size: at most so many ids, special ones and the 256 bytes included.
        path: the `tokenizer.json` to write.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
