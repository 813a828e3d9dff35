"""Small collections of pictures in the layouts in which they are published."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

RNG = np.random.default_rng(11)


def jpeg(size=(64, 64), *, mode="RGB", seed=0) -> bytes:
    """A smooth picture, so that its compressed form is close to it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)
    image.save(stream, "JPEG", quality=95)
    return stream.getvalue()


def tiny_imagenet(top="tiny-imagenet-200/", classes=("n02", "n01"), n_train=3) -> dict[str, bytes]:
    """Files by name; classes stand in another order than sorted, one picture is grey."""
    files = {f"{top}wnids.txt": b"n02\nn01\n"}
    for place, name in enumerate(classes):
        files[f"{top}train/{name}/{name}_boxes.txt"] = b""
        for number in range(n_train):
            mode = "L" if number == 1 else "RGB"
            content = jpeg(mode=mode, seed=10 * place + number)
            files[f"{top}train/{name}/images/{name}_{number}.JPEG"] = content
    lines = []
    for number, name in enumerate([*classes, *classes]):
        files[f"{top}val/images/val_{number}.JPEG"] = jpeg(seed=100 + number)
        lines.append(f"val_{number}.JPEG\t{name}\t0\t0\t62\t62\n")
    files[f"{top}val/val_annotations.txt"] = "".join(lines).encode()
    files[f"{top}test/images/test_0.JPEG"] = jpeg(seed=7)
    return files


def tiny_imagenet_c(corruptions=("snow", "fog"), classes=("n01", "n02")) -> dict[str, bytes]:
    return {
        f"Tiny-ImageNet-C/{corruption}/{severity}/{name}/test_{number}.JPEG": jpeg(seed=number)
        for corruption in corruptions
        for severity in range(1, 6)
        for name in classes
        for number in range(2)
    }


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(tar_of(files, "gz" if path.suffix == ".gz" else ""))
    return path


def tar_of(files: dict[str, bytes], compression="") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def imagenet(folder: Path) -> list[Path]:
    """The three archives of ILSVRC 2012 with two classes; 3 is no class of pictures."""
    sizes = {"n03": (80, 60), "n01": (50, 90)}
    train = {
        f"{name}.tar": tar_of({f"{name}_{k}.JPEG": jpeg(size, seed=k) for k in range(2)})
        for name, size in sizes.items()
    }
    validation = {
        f"ILSVRC2012_val_0000000{k}.JPEG": jpeg((100, 70), seed=20 + k) for k in (2, 1, 3)
    }
    synsets = np.zeros(3, dtype=[("ILSVRC2012_ID", "i4"), ("WNID", "O"), ("num_children", "i4")])
    synsets[:] = [(1, "n03", 0), (2, "n01", 0), (3, "n00", 2)]
    stream = io.BytesIO()
    savemat(stream, {"synsets": synsets})
    kit = {
        "ILSVRC2012_devkit_t12/data/meta.mat": stream.getvalue(),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": b"2\n1\n2\n",
    }
    return [
        tarred(folder / "ILSVRC2012_img_train.tar", train),
        tarred(folder / "ILSVRC2012_img_val.tar", validation),
        tarred(folder / "ILSVRC2012_devkit_t12.tar.gz", kit),
    ]


def imagenet64(folder: Path) -> list[Path]:
    """Zips of the small release: two training batches, one of validation, three classes."""

    def batch(n_images: int) -> bytes:
        stream = io.BytesIO()
        data = RNG.integers(0, 256, (n_images, 3 * 64 * 64), dtype=np.uint8)
        np.savez(stream, data=data, labels=np.arange(n_images) % 3 + 1, mean=np.zeros(3))
        return stream.getvalue()

    return [
        zipped(folder / "Imagenet64_train_part1_npz.zip", {"train_data_batch_1.npz": batch(4)}),
        zipped(folder / "Imagenet64_train_part2_npz.zip", {"train_data_batch_2.npz": batch(5)}),
        zipped(folder / "Imagenet64_val_npz.zip", {"val_data.npz": batch(3)}),
    ]
