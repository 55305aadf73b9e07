import cv2
import numpy as np

from samwise_ros.engine.sheet import CELL_WIDTH_PX
from samwise_ros.ros.contact_sheet import ContactSheet


def picture(number):
    return np.full((48, 64, 3), (number, 0, 255 - number), np.uint8)


def shown(path, row):
    """The numbers of the pictures in a row, read back from their colour."""
    rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    y = 34 + 120 + row * (34 + 240)
    return [int(rgb[y, left + 100, 0]) for left in range(0, rgb.shape[1], CELL_WIDTH_PX + 4)]


def test_rows_show_their_part_evenly(tmp_path):
    sheet = ContactSheet([(0, 100), (100, 200)], columns=4)
    for number in range(200):
        sheet.add(number, picture(number))
    sheet.save(tmp_path / "sheet.png", ["first", "second"])
    assert shown(tmp_path / "sheet.png", 0) == [12, 37, 62, 87]
    assert shown(tmp_path / "sheet.png", 1) == [112, 137, 162, 187]


def test_a_missing_picture_is_replaced_by_the_next_and_shown_once(tmp_path):
    sheet = ContactSheet([(0, 100)], columns=4)
    for number in (70, 95):
        sheet.add(number, picture(number))
    sheet.save(tmp_path / "sheet.png", ["only"])
    assert shown(tmp_path / "sheet.png", 0) == [70, 95]


def test_without_pictures_there_is_no_file(tmp_path):
    ContactSheet([(0, 10)]).save(tmp_path / "sheet.png", ["only"])
    assert not (tmp_path / "sheet.png").exists()
