# Inputs that do not fit the model are one clear error that names the input.
# RUN: %python %s | filecheck %s
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Inputs"))
import numpy as np
import torch
from common import error, random_grids, random_video

from focus.compiler.frontend.wrapper import prefill_of
from focus.compiler.frontend.zoo import DecoderConfig, llava_onevision, qwen2_5_vl

llava = llava_onevision(DecoderConfig(64, 96, 1, 2, 1, 100),
                        dict(hidden_size=48, intermediate_size=80, num_hidden_layers=1, num_attention_heads=2, image_size=70))
qwen = qwen2_5_vl(DecoderConfig(64, 96, 1, 2, 1, 100),
                  dict(depth=1, hidden_size=48, intermediate_size=80, num_heads=2, window_size=56, fullatt_block_indexes=[0]))
video, grids = random_video(llava, 1), random_grids(qwen, videos=[(1, 4, 4)])
ids = video["input_ids"]


def refuse(model, inputs, **change):
    print(error(prefill_of, model, {k: v for k, v in (inputs | change).items() if v is not None}))


# CHECK: ACCEPTED
refuse(llava, video, attention_mask=torch.ones_like(ids), use_cache=False)
# CHECK-NEXT: ACCEPTED
refuse(llava, {k: v.numpy() for k, v in video.items()}, input_ids=ids.tolist())
# CHECK-NEXT: inputs: a dictionary of names and tensors expected, not NoneType
print(error(prefill_of, llava, None))
# CHECK-NEXT: input 'input_ids' is missing
refuse(llava, video, input_ids=None)
# CHECK-NEXT: input_ids: integers of shape [1, S] expected (batch 1), got torch.int64 [2, 18]
refuse(llava, video, input_ids=ids.repeat(2, 1))
# CHECK-NEXT: input_ids: integers of shape [1, S] expected (batch 1), got torch.float32 [1, 18]
refuse(llava, video, input_ids=ids.float())
# CHECK-NEXT: input_ids: integers of shape [1, S] expected (batch 1), got torch.complex64 [1, 18]
refuse(llava, video, input_ids=ids.to(torch.complex64))
# CHECK-NEXT: input 'input_ids': a dense tensor with values expected
refuse(llava, video, input_ids=ids.to("meta"))
# CHECK-NEXT: input 'pixel_values_videos': a dense tensor with values expected
refuse(llava, video, pixel_values_videos=video["pixel_values_videos"].to_sparse())
# CHECK-NEXT: input_ids: token 100 is outside the vocabulary of 100
refuse(llava, video, input_ids=torch.where(torch.arange(18) == 1, 100, ids))
# CHECK-NEXT: attention_mask: only ones of shape [1, 18] are supported, no padding; got shape [1, 18]
refuse(llava, video, attention_mask=(torch.arange(18) > 0).long()[None])
# CHECK-NEXT: attention_mask: only ones of shape [1, 18] are supported, no padding; got shape [1, 1, 18, 18]
refuse(llava, video, attention_mask=torch.ones(1, 1, 18, 18))
# CHECK-NEXT: input 'position_ids' is not supported for llava_onevision; supported: input_ids, pixel_values_videos,
refuse(llava, video, position_ids=torch.arange(18)[None])
# CHECK-NEXT: input 'pixel_values_videos': a tensor or array expected, got str
refuse(llava, video, pixel_values_videos="bikes.mp4")
# CHECK-NEXT: pixel_values_videos: floating point values of at most 32 bits expected, got torch.uint8
refuse(llava, video, pixel_values_videos=torch.zeros(1, 1, 3, 70, 70, dtype=torch.uint8))
# CHECK-NEXT: pixel_values_videos: floating point values of at most 32 bits expected, got torch.float64
refuse(llava, video, pixel_values_videos=torch.zeros(1, 1, 3, 70, 70, dtype=torch.float64))
# CHECK-NEXT: pixel_values_videos: at least one video of at least one frame expected, got [1, 0, 3, 70, 70]
refuse(llava, video, pixel_values_videos=torch.zeros(1, 0, 3, 70, 70))
# CHECK-NEXT: pixel_values_videos: the last three dimensions must be [3, 70, 70], got [1, 1, 3, 84, 84]
refuse(llava, video, pixel_values_videos=torch.zeros(1, 1, 3, 84, 84))
# CHECK-NEXT: pixel_values_videos: [videos, frames, channels, height, width] expected, got [1, 3, 70, 70]
refuse(llava, video, pixel_values_videos=torch.zeros(1, 3, 70, 70))
# CHECK-NEXT: input_ids: 10 video tokens (id 99), but the video inputs make 19
refuse(llava, video, pixel_values_videos=torch.zeros(1, 2, 3, 70, 70))
# CHECK-NEXT: input_ids: 10 video tokens (id 99), but the video inputs make 0
refuse(llava, video, pixel_values_videos=None)
# CHECK-NEXT: input_ids: no visual token; a request needs at least one image or video
refuse(llava, video, pixel_values_videos=None, input_ids=torch.ones(1, 4).long())
# CHECK-NEXT: input 'image_sizes' is missing; it goes with pixel_values
refuse(llava, video, pixel_values=torch.zeros(1, 2, 3, 70, 70))
# CHECK-NEXT: image_sizes: positive (height, width) of each image expected, got [70, 70]
refuse(llava, video, pixel_values=torch.zeros(1, 2, 3, 70, 70), image_sizes=torch.tensor([70, 70]))
# CHECK-NEXT: image_sizes: positive (height, width) of each image expected, got {{\[\[}}70, 0]]
refuse(llava, video, pixel_values=torch.zeros(1, 2, 3, 70, 70), image_sizes=torch.tensor([[70, 0]]))
# CHECK-NEXT: batch_num_images: says 2 images, image_sizes has 1
refuse(llava, video, pixel_values=torch.zeros(1, 2, 3, 70, 70), image_sizes=torch.tensor([[70, 70]]), batch_num_images=torch.tensor([2]))
# CHECK-NEXT: image_sizes: integers expected, got torch.float32
refuse(llava, video, pixel_values=torch.zeros(1, 2, 3, 70, 70), image_sizes=torch.tensor([[70.5, 70]]))
# CHECK-NEXT: batch_num_images: a list of numbers of images expected, got {{\[\[1\]\]}}
refuse(llava, video, pixel_values=torch.zeros(1, 2, 3, 70, 70), image_sizes=torch.tensor([[70, 70]]), batch_num_images=torch.tensor([[1]]))
# CHECK-NEXT: config.image_grid_pinpoints: multiples of the tower's image_size expected; the one of image 0 is none
refuse(llava, video, pixel_values=torch.zeros(1, 37, 3, 70, 70), image_sizes=torch.tensor([[70, 70]]))
# CHECK-NEXT: input 'video_grid_thw' is missing; it goes with pixel_values_videos
refuse(qwen, grids, video_grid_thw=None)
# CHECK-NEXT: second_per_grid_ts: positive seconds of each of 1 videos expected, got [nan]
refuse(qwen, grids, second_per_grid_ts=[float("nan")])
# CHECK-NEXT: second_per_grid_ts: positive seconds of each of 1 videos expected, got [1, 2]
refuse(qwen, grids, second_per_grid_ts=[1, 2])
# CHECK-NEXT: pixel_values_videos: shape [32, 1176] expected from video_grid_thw {{.*}}2, 4, 4{{.*}}, got [16, 1176]
refuse(qwen, grids, video_grid_thw=np.array([[2, 4, 4]]))
# CHECK-NEXT: video_grid_thw: (frames, height, width) in multiples of (1, 2, 2) expected, got {{.*}}1, 1, 16
refuse(qwen, grids, video_grid_thw=np.array([[1, 1, 16]]))
# CHECK-NEXT: video_grid_thw: integers expected, got torch.float32
refuse(qwen, grids, video_grid_thw=np.array([[1, 4, 4]], np.float32))
# CHECK-NEXT: mm_token_type_ids: 2 must stand exactly where input_ids has the video token 99
refuse(qwen, grids, mm_token_type_ids=torch.zeros_like(grids["input_ids"]))
# Two videos in one run of tokens have no positions in the unmodified model either.
both = random_grids(qwen, videos=[(1, 4, 4), (1, 4, 4)])
joined = torch.cat([both["input_ids"][:, both["input_ids"][0] != 99], torch.full((1, 8), 99), torch.ones(1, 2).long()], 1)
# CHECK-NEXT: input_ids: each image and each video must be one unbroken run of tokens with text between two of them
refuse(qwen, both, input_ids=joined, mm_token_type_ids=2 * (joined == 99).int())
