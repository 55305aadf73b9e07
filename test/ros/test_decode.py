import array
import io
import os
import sys
import types

import cv2
import numpy as np
import PIL.Image
import pytest

pytest.importorskip("sensor_msgs.msg", reason="needs ROS 2")

from sensor_msgs.msg import CompressedImage, Image

from samwise_ros.errors import ImageError
from samwise_ros.ros import decode
from samwise_ros.ros.decode import ENCODINGS, compressed_to_rgb, conversion_backend, image_to_rgb

pytestmark = pytest.mark.ros

NOISE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)

# Four colours with their values in BT.601 of limited range, worked out by hand.
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (130, 130, 130)
YUV = {RED: (81, 90, 240), GREEN: (145, 54, 34), BLUE: (41, 240, 110), GREY: (128, 128, 128)}
COLOURS = [[RED, GREEN], [BLUE, GREY]]
QUARTERS = np.array(COLOURS, np.uint8).repeat(6, 0).repeat(8, 1)  # (12, 16, 3)
LUMA, U, V = np.moveaxis(np.array([[YUV[c] for c in row] for row in COLOURS], np.uint8).repeat(6, 0).repeat(8, 1), 2, 0)


def image(pixels, encoding, padding_bytes=0, **changes):
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding_bytes)), constant_values=77)
    fields = {"height": len(pixels), "width": pixels.shape[1], "encoding": encoding, "step": rows.shape[1]} | changes
    return Image(data=array.array("B", rows.tobytes()), **fields)


def compressed(data, image_format):
    return CompressedImage(format=image_format, data=array.array("B", bytes(data)))


def encode(extension, pixels):
    return cv2.imencode(extension, np.ascontiguousarray(pixels))[1].tobytes()


def with_alpha(pixels):
    return np.dstack([pixels, np.full(pixels.shape[:2], 9, pixels.dtype)])


def mosaic(rgb, pattern):
    """What a sensor under colour filters of this pattern (first row, second row) sees."""
    seen = np.empty(rgb.shape[:2], rgb.dtype)
    for at, colour in enumerate(pattern):
        seen[at // 2 :: 2, at % 2 :: 2] = rgb[at // 2 :: 2, at % 2 :: 2, "rgb".index(colour)]
    return seen


BRIDGE_CODES = {
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}
CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
BRIDGE_ORDERS = {"rgb": [0, 1, 2], "bgr": [2, 1, 0], "rgba": [0, 1, 2], "bgra": [2, 1, 0], "mono": [0, 0, 0]}


class WorkingBridge:
    """Converts as cv_bridge's Python half does, written against its documentation; counts the images."""

    converted = 0

    def imgmsg_to_cv2(self, msg, desired_encoding):
        assert desired_encoding == "rgb8"
        assert not msg.is_bigendian, "under NumPy 2 it raises AttributeError: newbyteorder"
        type(self).converted += 1
        name = msg.encoding if msg.encoding in BRIDGE_CODES else msg.encoding.rstrip("168")
        pixels = np.frombuffer(msg.data, np.uint16 if msg.encoding.endswith("16") else np.uint8)
        pixels = pixels.reshape(msg.height, msg.width, -1)
        rgb = cv2.cvtColor(pixels, BRIDGE_CODES[name]) if name in BRIDGE_CODES else pixels[:, :, BRIDGE_ORDERS[name]]
        return rgb if rgb.dtype == np.uint8 else np.rint(rgb * (255 / 65535)).astype(np.uint8)


class ForgetfulBridge(WorkingBridge):
    """Leaves blue and red exchanged."""

    def imgmsg_to_cv2(self, msg, desired_encoding):
        rgb = super().imgmsg_to_cv2(msg, desired_encoding)
        return rgb[:, :, ::-1] if msg.encoding.startswith("bgr") else rgb


class LateBridge:
    """Imports, and fails when it is used."""

    def imgmsg_to_cv2(self, msg, desired_encoding):
        raise ImportError("numpy.core.multiarray failed to import")


def install(monkeypatch, bridge):
    monkeypatch.setitem(sys.modules, "cv_bridge", bridge and types.SimpleNamespace(CvBridge=bridge))
    monkeypatch.setattr(decode, "_is_safe", lambda: True)  # the stand-in is in no other process
    decode._cv_bridge.cache_clear()


@pytest.fixture(autouse=True)
def forget_the_bridge():
    decode._cv_bridge.cache_clear()
    yield
    decode._cv_bridge.cache_clear()


@pytest.fixture(params=["opencv", "cv_bridge"])
def backend(request, monkeypatch):
    """Both ways of converting, which must agree."""
    install(monkeypatch, WorkingBridge if request.param == "cv_bridge" else None)
    assert conversion_backend() == request.param
    return request.param


@pytest.mark.parametrize("padding_bytes", [0, 1, 5])
@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("name", "pixels", "expected"),
    [
        ("rgb", NOISE, NOISE),
        ("bgr", NOISE[:, :, ::-1], NOISE),
        ("rgba", with_alpha(NOISE), NOISE),
        ("bgra", with_alpha(NOISE[:, :, ::-1]), NOISE),
        ("mono", NOISE[:, :, 0], NOISE[:, :, [0, 0, 0]]),
    ],
)
def test_colour_and_grey_of_8_and_16_bits(backend, name, pixels, expected, bits, is_bigendian, padding_bytes):
    if bits == 16:
        pixels = (pixels.astype(int) * 257).astype(">u2" if is_bigendian else "<u2")
    rgb = image_to_rgb(image(pixels, f"{name}{bits}", padding_bytes, is_bigendian=is_bigendian))
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, expected)


def test_16_bits_are_rounded_to_8(backend):
    levels = np.array([[0, 128, 129, 257, 32767, 32768, 65406, 65407, 65535]], "<u2")
    expected = [0, 0, 1, 1, 127, 128, 254, 255, 255]
    np.testing.assert_array_equal(image_to_rgb(image(levels, "mono16"))[0, :, 0], expected)


@pytest.mark.parametrize("padding_bytes", [0, 3])
@pytest.mark.parametrize(
    ("encoding", "order"), [("uyvy", "uy"), ("yuv422", "uy"), ("yuyv", "yu"), ("yuv422_yuy2", "yu")]
)
def test_yuv_with_two_pixels_a_colour(backend, encoding, order, padding_bytes):
    chroma = np.where(np.arange(16) % 2 == 0, U, V)
    pixels = np.dstack([chroma, LUMA] if order == "uy" else [LUMA, chroma])
    rgb = image_to_rgb(image(pixels, encoding, padding_bytes))
    assert np.abs(rgb.astype(int) - QUARTERS).max() <= 2


@pytest.mark.parametrize("padding_bytes", [0, 3])
def test_nv12_is_luma_then_half_as_many_rows_of_chroma(backend, padding_bytes):
    chroma = np.where(np.arange(16) % 2 == 0, U, V)[::2]
    rgb = image_to_rgb(image(np.concatenate([LUMA, chroma]), "nv12", padding_bytes, height=12))
    assert rgb.shape == QUARTERS.shape
    assert np.abs(rgb.astype(int) - QUARTERS).max() <= 2


@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_mosaics_are_filled_in(backend, pattern, bits, is_bigendian):
    rgb = np.array([[[200, 120, 40], [20, 60, 180]]], np.uint8).repeat(6, 0).repeat(8, 1)
    seen = mosaic(rgb, pattern)
    if bits == 16:
        seen = (seen.astype(int) * 257).astype(">u2" if is_bigendian else "<u2")
    found = image_to_rgb(image(seen, f"bayer_{pattern}{bits}", 2, is_bigendian=is_bigendian))
    away_from_the_edge = [*range(7), *range(9, 16)]
    np.testing.assert_array_equal(found[:, away_from_the_edge], rgb[:, away_from_the_edge])


def test_every_encoding_is_read_and_cv_bridge_changes_no_pixel(monkeypatch):
    messages = [decode._known_image(encoding)[0] for encoding in ENCODINGS if encoding != "nv12"]
    install(monkeypatch, None)
    without = [image_to_rgb(msg) for msg in messages]
    install(monkeypatch, WorkingBridge)
    for msg, expected in zip(messages, without, strict=True):
        np.testing.assert_array_equal(image_to_rgb(msg), expected, err_msg=msg.encoding)


def test_cv_bridge_converts_what_it_reads_rightly_and_nothing_else(monkeypatch):
    install(monkeypatch, WorkingBridge)
    assert conversion_backend() == "cv_bridge"
    WorkingBridge.converted = 0
    image_to_rgb(image(NOISE, "bgr8"))
    assert WorkingBridge.converted == 1
    for msg in (
        image(NOISE, "rgb8"),
        image(NOISE, "bgr8", 1),
        image(NOISE, "bgr8", is_bigendian=1),
        image(NOISE[:, :6, :2], "uyvy"),
    ):
        image_to_rgb(msg)
    assert WorkingBridge.converted == 1


def test_cv_bridge_is_tried_once(monkeypatch):
    class CountedBridge(LateBridge):
        made = 0

        def __init__(self):
            type(self).made += 1

    install(monkeypatch, CountedBridge)
    for _ in range(3):
        image_to_rgb(image(NOISE, "bgr8"))
    assert (conversion_backend(), CountedBridge.made) == ("opencv", 1)


@pytest.mark.parametrize("bridge", [None, ForgetfulBridge, LateBridge], ids=["missing", "wrong pixels", "fails late"])
def test_opencv_takes_over_from_a_cv_bridge_that_does_not_work(monkeypatch, bridge):
    install(monkeypatch, bridge)
    assert conversion_backend() == "opencv"
    np.testing.assert_array_equal(image_to_rgb(image(NOISE[:, :, ::-1], "bgr8")), NOISE)


@pytest.mark.parametrize(
    "source",
    [
        'raise AttributeError("_ARRAY_API not found")',
        CRASH,
        f"class CvBridge:\n    def imgmsg_to_cv2(self, msg, encoding): {CRASH}",
    ],
    ids=["raises", "ends the process on import", "ends the process in use"],
)
def test_opencv_takes_over_from_a_cv_bridge_that_was_built_against_another_numpy(monkeypatch, tmp_path, capfd, source):
    (tmp_path / "cv_bridge.py").write_text(source)
    monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert conversion_backend() == "opencv"
    np.testing.assert_array_equal(image_to_rgb(image(NOISE[:, :, ::-1], "bgr8")), NOISE)
    assert capfd.readouterr().err == ""


def test_an_installed_cv_bridge_that_works_is_used():
    if not decode._is_safe():
        pytest.skip("needs a cv_bridge that works with this NumPy; it comes with a ROS 2 distribution")
    assert conversion_backend() == "cv_bridge"
    for encoding in decode._BRIDGED:
        msg, pixels = decode._known_image(encoding)
        np.testing.assert_array_equal(image_to_rgb(msg), decode._pixels_to_rgb(pixels, encoding), err_msg=encoding)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"encoding": "16UC1"}, "encoding '16UC1', expected one of rgb8, bgr8, rgba8, bgra8, mono8, bayer_rggb8"),
        ({"encoding": "8UC3"}, "encoding '8UC3', expected one of"),
        ({"encoding": ""}, "encoding '', expected one of"),
        ({"encoding": "a\nb"}, r"encoding 'a\\nb', expected one of"),
        ({"width": 0}, "image is 0 x 5 pixels, expected at least 1 x 1: check"),
        ({"height": 0}, "image is 7 x 0 pixels, expected at least 1 x 1: check"),
        ({"step": 20}, "step of 20 bytes, expected at least 21 for 7 pixels of rgb8: correct"),
        ({"step": 22}, r"holds 105 bytes, expected 110 \(step 22 x 5 rows of rgb8\): correct"),
        ({"height": 4}, r"holds 105 bytes, expected 84 \(step 21 x 4 rows of rgb8\): correct"),
        ({"width": 2**32 - 1}, "step of 21 bytes, expected at least 12884901885"),
        ({"encoding": "rgb16"}, "step of 21 bytes, expected at least 42 for 7 pixels of rgb16"),
        ({"encoding": "yuyv"}, "image is 7 x 5 pixels of yuyv, expected an even width, as neighbours share a colour"),
        ({"encoding": "nv12", "width": 8}, "8 x 5 pixels of nv12, expected an even width and height, as"),
        ({"encoding": "nv12", "width": 8, "height": 4}, r"expected 126 \(step 21 x 6 rows of nv12\)"),
        ({"encoding": "bayer_rggb8", "width": 2}, "image is 2 x 5 pixels of bayer_rggb8, expected at least 3 x 3"),
    ],
)
def test_a_broken_image_is_refused_in_one_sentence(changes, sentence):
    with pytest.raises(ImageError, match=sentence) as refusal:
        image_to_rgb(image(NOISE, **({"encoding": "rgb8"} | changes)))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("image_format", ["png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8", "", "jpeg"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("bgr", "expected"),
    [
        (NOISE[:, :, ::-1], NOISE),
        (with_alpha(NOISE[:, :, ::-1]), NOISE),
        (NOISE[:, :, 0], NOISE[:, :, [0, 0, 0]]),
    ],
    ids=["colour", "alpha", "grey"],
)
def test_png_of_8_and_16_bits(bgr, expected, dtype, image_format):
    data = encode(".png", bgr.astype(dtype) * (257 if dtype == np.uint16 else 1))
    rgb = compressed_to_rgb(compressed(data, image_format))
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, expected)


@pytest.mark.parametrize(
    "image_format", ["jpeg", "jpg", "rgb8; jpeg compressed bgr8", "bgr8; jpeg compressed bgr8", ""]
)
def test_jpeg_in_colour(image_format):
    rgb = QUARTERS.repeat(4, 0).repeat(4, 1)
    found = compressed_to_rgb(compressed(encode(".jpg", rgb[:, :, ::-1]), image_format))
    middles = np.s_[12::24, 16::32]  # at the seams a JPEG mixes the colours
    assert np.abs(found.astype(int) - rgb)[middles].max() <= 4


@pytest.mark.parametrize(
    "image_format",
    ["jpeg", "mono8; jpeg compressed ", "mono16; jpeg compressed mono8", "bayer_rggb8; jpeg compressed mono8"],
)
def test_grey_jpeg(image_format):
    grey = np.linspace(20, 230, 24).astype(np.uint8)[None].repeat(16, 0)
    found = compressed_to_rgb(compressed(encode(".jpg", grey), image_format))
    assert np.abs(found.astype(int) - grey[:, :, None]).max() <= 3


def test_channels_stored_in_the_order_of_rgb_are_put_right():
    exchanged = encode(".png", NOISE)
    np.testing.assert_array_equal(compressed_to_rgb(compressed(exchanged, "rgb8; png compressed rgb8")), NOISE)


def test_a_bayer_mosaic_in_a_png_is_filled_in():
    rgb = np.full((6, 8, 3), (200, 120, 40), np.uint8)
    msg = compressed(encode(".png", mosaic(rgb, "gbrg")), "bayer_gbrg8; png compressed ")
    np.testing.assert_array_equal(compressed_to_rgb(msg), rgb)
    with pytest.raises(ImageError, match="2 x 2 pixels of bayer_gbrg8, expected at least 3 x 3"):
        compressed_to_rgb(compressed(encode(".png", rgb[:2, :2, 0]), "bayer_gbrg8; png compressed "))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_noted_orientation_is_not_applied(file_format):
    exif, file = PIL.Image.Exif(), io.BytesIO()
    exif[274] = 6  # a quarter turn
    PIL.Image.fromarray(QUARTERS).save(file, file_format, exif=exif)
    assert compressed_to_rgb(compressed(file.getvalue(), file_format.lower())).shape == QUARTERS.shape


@pytest.mark.parametrize(
    ("image_format", "data"),
    [
        ("16UC1; compressedDepth png", bytes(12) + encode(".png", np.ones((4, 4), np.uint16))),
        ("16UC1; compressedDepth png", encode(".png", np.ones((4, 4), np.uint16))),
        ("16UC1; compressedDepth rvl", bytes(40)),
        ("theora", b"OggS" + bytes(40)),
        ("bgr8; tiff compressed ", b"II*\0" + bytes(40)),
        ("jpeg", b""),
        ("jpeg", b"\xff\xd8" * 40),
        ("png", b"\x89PNG\r\n\x1a\n"),
        ("a\nb" * 40, b"abc"),
    ],
)
def test_what_is_no_jpeg_or_png_is_refused_in_one_sentence(image_format, data):
    with pytest.raises(ImageError, match="holds no camera picture in JPEG or PNG") as refusal:
        compressed_to_rgb(compressed(data, image_format))
    sentence = str(refusal.value)
    assert sentence.startswith(f"compressed image of format {image_format[:40]!r} ")
    assert f"({len(data)} bytes), expected one: subscribe to a topic of image_transport's `compressed`" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("missing", [2, 12, 400])
def test_a_cut_off_picture_is_refused(extension, missing):
    data = encode(extension, np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8))[:-missing]
    with pytest.raises(ImageError, match=f"image of {len(data)} bytes is damaged or cut short, expected a whole JPEG"):
        compressed_to_rgb(compressed(data, "jpeg"))


def test_bytes_behind_a_jpeg_do_no_harm():
    data = encode(".jpg", np.full((16, 16, 3), 90, np.uint8)) + bytes(100) + b"\x12\x34"
    assert compressed_to_rgb(compressed(data, "jpeg")).shape == (16, 16, 3)


def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken():
    png, jpeg = bytearray(encode(".png", NOISE)), bytearray(encode(".jpg", NOISE))
    png[16:24] = (40_000).to_bytes(4, "big") + (30_000).to_bytes(4, "big")
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = (30_000).to_bytes(2, "big") + (40_000).to_bytes(2, "big")
    for data in (png, jpeg):
        with pytest.raises(ImageError, match="claims 40000 x 30000 pixels, expected at most 134217728 in all: check"):
            compressed_to_rgb(compressed(data, "jpeg"))


def test_whatever_a_raw_message_holds_it_is_read_or_refused(backend):
    rng = np.random.default_rng(1)
    read, refusals = 0, []
    for _ in range(3000):
        encoding = str(rng.choice([*ENCODINGS, "32FC1", "8UC1", ""]))
        width, height = (int(n) for n in rng.integers(0, 9, 2))
        step = width * int(rng.choice([1, 2, 3, 4, 6, 8])) + int(rng.choice([0, 0, 1, 5]))
        rows = height * 3 // 2 if encoding == "nv12" else height
        size = max(0, step * rows + int(rng.choice([0, 0, 0, -1, 1])))
        msg = Image(
            width=width,
            height=height,
            step=step,
            encoding=encoding,
            is_bigendian=int(rng.integers(2)),
            data=array.array("B", rng.bytes(size)),
        )
        try:
            rgb = image_to_rgb(msg)
        except ImageError as error:
            refusals.append(str(error))
        else:
            assert (rgb.shape, rgb.dtype) == ((height, width, 3), np.uint8)
            read += 1
    assert min(read, len(refusals)) > 300
    assert not any("\n" in sentence for sentence in refusals)


def test_whatever_a_compressed_message_holds_it_is_read_or_refused():
    rng = np.random.default_rng(2)
    whole = [encode(extension, pixels) for extension in (".jpg", ".png") for pixels in (NOISE, NOISE[:, :, 0])]
    formats = ["jpeg", "png", "rgb8; png compressed rgb16", "bayer_rggb8; png compressed ", "bayer_; png", ";;", ""]
    read, refusals = 0, []
    for _ in range(1500):
        data = bytearray(whole[rng.integers(len(whole))])
        for at in rng.integers(0, len(data), rng.integers(0, 4)):
            data[at] = rng.integers(256)
        if rng.random() < 0.2:
            del data[rng.integers(len(data)) :]
        try:
            rgb = compressed_to_rgb(compressed(data, str(rng.choice(formats))))
        except ImageError as error:
            refusals.append(str(error))
        else:
            assert (rgb.ndim, rgb.shape[2], rgb.dtype) == (3, 3, np.uint8)
            read += 1
    assert min(read, len(refusals)) > 100
    assert not any("\n" in sentence for sentence in refusals)
