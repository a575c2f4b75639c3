# Preprocessing agrees with PyTorch's antialiased bicubic resampling, and with the order in which the towers of Qwen2.5-VL and of LLaVA-NeXT
# read their patches.
# RUN: %python %s | filecheck %s
import numpy as np
import torch
import torch.nn.functional as F

from focus.compiler.frontend.video import (
    DEVIATION,
    MEAN,
    anyres_images,
    llava_onevision_video,
    moving_pattern,
    normalised,
    qwen_vl_video,
    resized,
    smart_size,
    spatio_temporal_patches,
)

frames = moving_pattern(3, 61, 90, speed=3.0)
as_tensor = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
for size in ((28, 40), (61, 90), (100, 130), (17, 200)):
    theirs = F.interpolate(as_tensor, size=size, mode="bicubic", antialias=True).clamp(0, 255).permute(0, 2, 3, 1).numpy()
    print(size, "resampled", np.abs(resized(frames, *size) - theirs).max() < 2e-3)
# CHECK: (28, 40) resampled True
# CHECK-NEXT: (61, 90) resampled True
# CHECK-NEXT: (100, 130) resampled True
# CHECK-NEXT: (17, 200) resampled True
pixels = normalised(frames)
print("normalised", np.allclose(pixels[1, 2], (frames[1, :, :, 2] / 255 - MEAN[2]) / DEVIATION[2], atol=1e-6), pixels.dtype)
# CHECK-NEXT: normalised True float32
video = llava_onevision_video(frames, 70)["pixel_values_videos"]
print(video.shape, video.dtype, video.flags["C_CONTIGUOUS"])
# CHECK-NEXT: (1, 3, 3, 70, 70) float32 True

# Three frames are filled up to two pairs; row r of the patches is (pair, block row, block column, row in block, column in block).
numbers = np.arange(3 * 3 * 56 * 84, dtype=np.float32).reshape(3, 3, 56, 84)
rows, grid = spatio_temporal_patches(numbers, 14, 2, 2)
print(rows.shape, grid)
# CHECK-NEXT: (48, 1176) (2, 4, 6)
pair, block_row, block_column, row, column = 0, 1, 2, 1, 0
h, w = 2 * block_row + row, 2 * block_column + column
patch = numbers[0:2, :, 14 * h:14 * h + 14, 14 * w:14 * w + 14]         # frames, channels, rows, columns
index = ((block_row * 3 + block_column) * 2 + row) * 2 + column
print("patch", np.array_equal(rows[index].reshape(3, 2, 14, 14), patch.transpose(1, 0, 2, 3)))
# CHECK-NEXT: patch True
print("last frame repeated", np.array_equal(rows[24:].reshape(24, 3, 2, 196)[:, :, 0], rows[24:].reshape(24, 3, 2, 196)[:, :, 1]))
# CHECK-NEXT: last frame repeated True

# Multiples of 28, within the limits of pixels, near the aspect ratio.
# CHECK-NEXT: [(196, 476), (112, 112), (56, 84), (448, 840)]
print([smart_size(272, 640, 28, 3136, 100352), smart_size(100, 100, 28, 3136, 10**6), smart_size(30, 40, 28, 3136, 10**6),
       smart_size(1080, 1920, 28, 3136, 401408)])
inputs = qwen_vl_video(frames, 56 * 84)
print({name: (value.shape, value.dtype.name) for name, value in inputs.items()}, inputs["video_grid_thw"].tolist())
# CHECK-NEXT: {'pixel_values_videos': ((48, 1176), 'float32'), 'video_grid_thw': ((1, 3), 'int64')} {{\[\[}}2, 4, 6]]

# Images of any resolution: the whole image, then patches of it at the best resolution, row by row, in the middle of black.
images = [moving_pattern(1, 60, 81)[0], moving_pattern(1, 33, 20)[0]]
inputs = anyres_images(images, 28, [[28, 56], [56, 28], [56, 56], [84, 28]])
print(inputs["pixel_values"].shape, inputs["pixel_values"].dtype, inputs["image_sizes"].tolist())
# CHECK-NEXT: (2, 5, 3, 28, 28) float32 {{\[\[}}60, 81], [33, 20]]


def resized_by_torch(image, *size):
    return F.interpolate(torch.from_numpy(image).permute(2, 0, 1)[None].float(), size=size, mode="bicubic", antialias=True).clamp(0, 255)


for image, pixels, size, padding, shape in ((images[0], inputs["pixel_values"][0], (42, 56), (0, 0, 7, 7), (2, 2)),
                                            (images[1], inputs["pixel_values"][1], (47, 28), (0, 0, 4, 5), (2, 1))):
    whole, padded = resized_by_torch(image, 28, 28), F.pad(resized_by_torch(image, *size), padding)
    cut = [padded[:, :, 28 * i:28 * i + 28, 28 * j:28 * j + 28] for i in range(shape[0]) for j in range(shape[1])]
    theirs = normalised(torch.cat((whole, *cut)).permute(0, 2, 3, 1).numpy())
    print("patches", np.abs(pixels[:len(theirs)] - theirs).max() < 1e-4, len(theirs), not pixels[len(theirs):].any())
# CHECK-NEXT: patches True 5 True
# CHECK-NEXT: patches True 3 True
