"""Boxes of objects: ILSVRC's annotations, a CSV file, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.datasets.boxes import Box, load_boxes
from repro.exceptions import DataRefused, UsageError

ANNOTATION = """<annotation><folder>val</folder><filename>ILSVRC2012_val_00000001</filename>
<size><width>500</width><height>375</height><depth>3</depth></size>
<object><name>n01751748</name><bndbox><xmin>111</xmin><ymin>108</ymin><xmax>441</xmax><ymax>193</ymax></bndbox>
</object><object><name>n01751748</name>
<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"""


def test_annotations_are_found_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "ILSVRC2012_val_00000001.xml").write_text(ANNOTATION)
    boxes = load_boxes(tmp_path)
    assert boxes == {"ILSVRC2012_val_00000001": (Box(111, 108, 442, 194), Box(0, 0, 10, 10))}
    assert boxes["ILSVRC2012_val_00000001"][1].area == 100
    assert boxes["ILSVRC2012_val_00000001"][1].centre == (5, 5)


def test_a_csv_may_have_several_boxes_an_image(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("image_id,x_min,y_min,x_max,y_max,by\na,1,2,3.5,4,me\nb,0,0,1,1,me\na,5,5,6,6,me\n")
    assert load_boxes(path) == {"a": (Box(1, 2, 3.5, 4), Box(5, 5, 6, 6)), "b": (Box(0, 0, 1, 1),)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column image_id, x_min, y_min and 2 more"),
        ("image_id,x_min,y_min,x_max,y_max\n", "holds no boxes"),
        ("image_id,x_min,y_min,x_max,y_max\na,3,0,2,1\n", "line 2: 3,0,2,1 is no box"),
        ("image_id,x_min,y_min,x_max,y_max\na,0,0,nan,1\n", "line 2: 0,0,nan,1 is no box"),
        ("image_id,x_min,y_min,x_max,y_max\na,0,0,1\n", "line 2"),
        ("image_id,x_min,y_min,x_max,y_max\na,x,0,1,1\n", "line 2: could not convert"),
    ],
)
def test_what_is_no_box_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(DataRefused, match=words):
        load_boxes(path)


def test_what_is_no_annotation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<annotation><object><bndbox/></object></annotation>")
    with pytest.raises(DataRefused, match=r"a\.xml is no annotation of ILSVRC"):
        load_boxes(tmp_path)
    (tmp_path / "a.xml").write_text("<annotation>")
    with pytest.raises(DataRefused, match=r"a\.xml is no annotation of ILSVRC"):
        load_boxes(tmp_path)
    with pytest.raises(UsageError, match="no such file or folder for --boxes"):
        load_boxes(tmp_path / "nowhere")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.xml").symlink_to(tmp_path / "gone.xml")
    with pytest.raises(DataRefused, match=r"cannot read .*a\.xml: No such file"):
        load_boxes(tmp_path)
