"""The models of the zoo, and what builds and asks models like them, by a short name: `from focus.compiler import zoo`.

In: nothing.  Out: the public names of `frontend.zoo`; `Decoder`, the sizes of a decoder, which is called `DecoderConfig` there.
"""
from focus.compiler.frontend.video import moving_pattern
from focus.compiler.frontend.zoo import (
    DecoderConfig as Decoder,
    build,
    image_request,
    internvl,
    llava,
    llava_next,
    llava_next_video,
    llava_onevision,
    names,
    prompt_ids,
    qwen2_5_vl,
    qwen2_vl,
    qwen3_vl,
    randomise,
    request,
    video_request,
)

__all__ = ["Decoder", "build", "image_request", "internvl", "llava", "llava_next", "llava_next_video", "llava_onevision", "moving_pattern", "names",
           "prompt_ids", "qwen2_5_vl", "qwen2_vl", "qwen3_vl", "randomise", "request", "video_request"]
