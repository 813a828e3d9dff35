"""Pictures from compressed files, and the forms in which they are packed."""

from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError


def decoded(content: bytes, *, origin: str) -> Image.Image:
    """A JPEG or PNG file as a picture in red, green and blue, grey ones and others converted.

    Args:
        content: of the file.
        origin: where it comes from, for messages.

    Raises:
        ValueError: the file is damaged, truncated, or no picture.
    """
    broken = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError)
    try:
        with Image.open(BytesIO(content), formats=("JPEG", "PNG")) as image:
            return image.convert("RGB")
    except (*broken, ValueError) as error:
        raise ValueError(f"{origin} is damaged, truncated or no picture ({error})") from error


def as_it_is(image: Image.Image, *, size_px: int, origin: str) -> np.ndarray:
    """A picture that has its size already: uint8 [size_px, size_px, 3].

    Raises:
        ValueError: it has another size.
    """
    if image.size != (size_px, size_px):
        raise ValueError(f"{origin} is {image.width} x {image.height} px, expected {size_px} each")
    return np.asarray(image)


def squeezed(image: Image.Image, *, size_px: int) -> tuple[np.ndarray, float]:
    """The whole picture in a square, for crops that are drawn anew in every epoch.

    The filter is the one that keeps most detail. Crops of 481 x 321 px photographs, drawn as in
    ``v1lib.augmentation`` and made 64 px large, then differ from crops of the files by 5.2, 3.3 and
    2.2 grey levels (root mean square) for squares of 96, 128 and 160 px; the standard deviation of
    the crops is 51. Small crops differ most: by 5.9 at a tenth of the area and 128 px.

    Returns:
        uint8 [size_px, size_px, 3], and width over height of the original.
    """
    small = image.resize((size_px, size_px), Image.Resampling.LANCZOS)
    return np.asarray(small), image.width / image.height


def centre(image: Image.Image, *, shorter_px: int, crop_px: int, size_px: int) -> np.ndarray:
    """The middle of a picture, as the published code validates (main.py).

    The shorter side becomes ``shorter_px``, then a square of ``crop_px`` is cut out and made
    ``size_px`` large; both resizings are bilinear and smooth before they sample, and places are
    rounded as torchvision does.

    Returns:
        uint8 [size_px, size_px, 3].
    """
    shorter, longer = sorted(image.size)
    other_px = int(shorter_px * longer / shorter)
    is_wide = image.width >= image.height
    size = (other_px, shorter_px) if is_wide else (shorter_px, other_px)
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (round((side - crop_px) / 2.0) for side in image.size)
    image = image.crop((left, top, left + crop_px, top + crop_px))
    return np.asarray(image.resize((size_px, size_px), Image.Resampling.BILINEAR))


def encoded(image: np.ndarray, *, quality: int) -> bytes:
    """A JPEG file; equal images give equal bytes.

    Args:
        image: uint8 [height, width, 3].
        quality: of the compression, 1 to 95.
    """
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def recompressed(image: np.ndarray, *, quality: int) -> np.ndarray:
    """What is left of an image after it was kept as a JPEG file: uint8 [height, width, 3]."""
    return np.asarray(decoded(encoded(image, quality=quality), origin="an image just encoded"))
