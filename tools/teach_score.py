"""Teach the object score of `compact` alone, on whole streams: what of its masks to show, and what to hide.

    python tools/teach_score.py WEIGHTS OUT        # seven minutes on two CPU cores

A training sees short clips, in which hardly anything is hidden. Here worlds that no training has seen run through the
tracker, one half of them as the tests' are and the other as real footage may be. The tokens that the score is made from
are kept, and its three linear layers learn from them in seconds, by how much J a wrong answer costs. All else stays.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from samwise_ros.data.expressions import Expression
from samwise_ros.data.synthetic import FIRST_TRAINING_SEED, LAST_EVENT, Clip, World
from samwise_ros.data.wording import reword
from samwise_ros.evaluation.synthetic import track_texts
from samwise_ros.model import sam2_steps
from samwise_ros.model.build import build_segmenter, load_network
from samwise_ros.model.checkpoint import place_tokenizer, save_weights, tokenizer_path
from samwise_ros.training.samples import SQUASHES, denies_held_out, shuffle_by_kind
from samwise_ros.training.vary import retone, squash
from samwise_ros.types import text_key

FRAMES, HEIGHT_PX, WIDTH_PX = 12, 240, 320
ASKED = {"absent": 5, "motion": 3, "late": 2, "colour": 2}
"""Expressions of a kind that are asked of a stream; of all others one."""

NOT_BY_COLOUR = ("motion", "late", "order", "relation", "material", "absent")
"""Kinds of expressions to which a colour may be but a help."""

COLOUR_WEIGHT = 40.0
"""So much more counts what is there and is called by its colour: real things have shapes that no world has."""

KEPT = 4
"""The tokens of every fourth world are judged on, not learnt from."""

EPOCHS, BATCH, RATE, DECAY, NOISE = 12, 256, 1e-3, 0.1, 0.05


@dataclass(frozen=True, slots=True)
class Tokens:
    """What came of P masks.

    Attributes:
        token: (P, D) float32, what the score is made of.
        iou: (P,) of the mask, if it were shown.
        there: (P,) bool, whether anything is there to be found.
        found: (P,) bool, whether the mask has any pixel, if it were shown.
        by_colour: (P,) bool, whether it is there and called by its colour.
        kept: (P,) bool, whether it is to be judged on.
    """

    token: Tensor
    iou: Tensor
    there: Tensor
    found: Tensor
    by_colour: Tensor
    kept: Tensor


def main() -> None:
    """Record, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="weights of compact, with their tokenizer beside them")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--streams", type=int, default=200, help="worlds (default: %(default)s)")
    parser.add_argument("--first-world", type=int, default=4_100_000_000, help="of them (default: %(default)s)")
    parser.add_argument("--empty", type=float, default=0.955, help="share of the masks of what is not there to hide")
    parser.add_argument("--raise", type=float, default=0.0, dest="higher", help="then raise all scores by this")
    parser.add_argument("--processes", type=int, default=2, help="default: %(default)s")
    options = parser.parse_args()
    first = FIRST_TRAINING_SEED + options.first_world
    streams = [(options.weights, seed) for seed in range(first, first + options.streams)]
    with get_context("spawn").Pool(options.processes, torch.set_num_threads, (1,)) as pool:
        recorded = list(tqdm(pool.imap(record, streams), total=len(streams), unit="stream"))
    parts = zip(*(one for one in recorded if one), strict=True)
    tokens = Tokens(*(torch.cat([torch.as_tensor(part) for part in column]) for column in parts))
    network: Any = load_network(options.weights)
    head = network.sam.sam_mask_decoder.pred_obj_score_head
    with torch.no_grad():
        print("before:", judge(head(tokens.token)[:, 0], tokens, 0.0))
    learn(head, tokens)
    with torch.no_grad():
        scores = head(tokens.token)[:, 0]
        threshold = find_threshold(scores, tokens, options.empty) - options.higher
        head.layers[-1].bias -= threshold
    print("after: ", judge(scores, tokens, threshold))
    save_weights(network, "compact", options.out, dtype=torch.float16)
    place_tokenizer(tokenizer_path(options.weights), options.out)


@cache
def load(weights: Path) -> Any:
    """The model, once in each process."""
    return build_segmenter("compact", weights=weights, device="cpu", eager=True)


def record(stream: tuple[Path, int]) -> tuple[npt.NDArray[np.generic], ...] | None:
    """Run a stream with some weights in the world of a seed.

    Returns:
        What `Tokens` has, or None where too little can be said.
    """
    weights, seed = stream
    segmenter = load(weights)
    rng = np.random.default_rng(seed)
    clip = film(seed, rng)
    asked = choose(clip, rng)
    if len(asked) < 4:
        return None
    tokens: list[Tensor] = []
    masks: list[Tensor] = []
    decode = sam2_steps.decode_mask

    def decode_and_keep(*args: Any) -> sam2_steps.Decoded:
        decoded = decode(*args)
        masks.append(decoded.mask_logits[: len(asked)])  # the others are without memory
        return decoded

    head = segmenter.network.sam.sam_mask_decoder.pred_obj_score_head
    hook = head.register_forward_hook(lambda _, inputs, __: tokens.append(inputs[0][: len(asked)]))
    with patch.object(sam2_steps, "decode_mask", decode_and_keep):
        track_texts(segmenter, clip.rgb, [expression.text for expression in asked])
    hook.remove()
    assert len(masks) == FRAMES
    truth = torch.from_numpy(np.stack([clip.mask(expression) for expression in asked], 1))  # (T, N, H, W)
    logits = torch.cat([F.interpolate(mask, (HEIGHT_PX, WIDTH_PX), mode="bilinear") for mask in masks])
    found = logits.unflatten(0, (FRAMES, -1))[:, :, 0] > 0
    both, either = (found & truth).sum((2, 3)), (found | truth).sum((2, 3))
    there = truth.any(3).any(2)
    by_colour = torch.tensor(
        [one.kind not in NOT_BY_COLOUR and one.noun is not None and bool(one.noun.colour) for one in asked]
    )
    columns = (
        torch.stack(tokens).flatten(0, 1).float(),
        (both / either.clamp(min=1)).flatten(),
        there.flatten(),
        found.any(3).any(2).flatten(),
        (there & by_colour).flatten(),
        torch.full_like(there, seed % KEPT == 0).flatten(),
    )
    return tuple(column.numpy() for column in columns)


def film(seed: int, rng: np.random.Generator) -> Clip:
    """Film a world as the tests show theirs, or half of the time as real footage may be."""
    real = rng.random() < 0.5
    squashed = math.exp(rng.uniform(*np.log(SQUASHES))) if real and rng.random() < 0.6 else 1.0
    world = World(
        seed,
        height=HEIGHT_PX,
        width=round(WIDTH_PX * squashed),
        zoom=float(rng.uniform(1, 2.5)) if real else 1.0,
        grip=real and rng.random() < 0.6,
        varied=real and rng.random() < 0.6,
    )
    start = int(rng.integers(LAST_EVENT))
    if world.events and rng.random() < 0.5:
        start = world.before_event(FRAMES)
    clip = squash(world.clip(start, FRAMES), HEIGHT_PX, WIDTH_PX)
    return replace(clip, rgb=retone(clip.rgb, rng)) if real and rng.random() < 0.7 else clip


def choose(clip: Clip, rng: np.random.Generator) -> list[Expression]:
    """Some expressions of every kind, some of them reworded, no two of the same text; no held-out pair is denied."""
    by_kind = shuffle_by_kind(tuple(one for one in clip.expressions if not denies_held_out(one)), rng)
    drawn = [one for kind, several in by_kind.items() for one in several[: ASKED.get(kind, 1)]]
    said = [replace(one, text=reword(one.text, rng)) if rng.random() < 0.4 else one for one in drawn]
    return list({text_key(one.text): one for one in said}.values())


def learn(head: torch.nn.Module, tokens: Tokens) -> None:
    """Cross-entropy of whether anything is there, each token weighted by the J that a wrong answer costs."""
    torch.manual_seed(0)
    cost = torch.where(tokens.there, tokens.iou, torch.where(tokens.found, 1.0, 0.25))
    cost = torch.where(tokens.by_colour, COLOUR_WEIGHT * cost, cost)
    learnt = torch.nonzero(~tokens.kept)[:, 0]
    spread = tokens.token[learnt].std(0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * math.ceil(len(learnt) / BATCH))
    for _ in range(EPOCHS):
        for rows in learnt[torch.randperm(len(learnt))].split(BATCH):
            noisy = tokens.token[rows] + NOISE * spread * torch.randn_like(tokens.token[rows])
            loss = F.binary_cross_entropy_with_logits(
                head(noisy)[:, 0], tokens.there[rows].float(), cost[rows] / cost[rows].sum(), reduction="sum"
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def find_threshold(scores: Tensor, tokens: Tokens, empty: float) -> float:
    """The score above which so many masks of what is not there are hidden, on what was not learnt from."""
    absent = tokens.kept & ~tokens.there
    shown = torch.where(tokens.found[absent], scores[absent], -torch.inf)
    return float(shown.sort().values[math.ceil(empty * len(shown)) - 1])


def judge(scores: Tensor, tokens: Tokens, threshold: float) -> str:
    """J of what is there and the share of empty masks of what is not, on what was not learnt from."""
    shown, kept = scores > threshold, tokens.kept
    j, most = (torch.where(mask, tokens.iou, 0.0)[kept & tokens.there].mean() for mask in (shown, shown | True))
    colour = torch.where(shown, tokens.iou, 0.0)[kept & tokens.by_colour].mean()
    empty = 1 - (shown & tokens.found)[kept & ~tokens.there].float().mean()
    return f"J {j:.3f} of {most:.3f} that the masks have, by colour {colour:.3f}; empty where nothing is {empty:.3f}"


if __name__ == "__main__":
    main()
