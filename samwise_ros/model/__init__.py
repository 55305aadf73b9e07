"""The networks: weights only, no video state, no files but checkpoints. Called by all but `data`."""

from samwise_ros.model.build import build_model, build_segmenter
from samwise_ros.model.segmenter import Segmenter

__all__ = ["Segmenter", "build_model", "build_segmenter"]
