"""The smallest models that have every part: one layer of vision, one of decoder."""
from focus.compiler.frontend.video import moving_pattern
from focus.compiler.frontend.zoo import DecoderConfig, llava_onevision, video_request


def video():
    tower = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=1, num_attention_heads=2, image_size=70)
    model = llava_onevision(DecoderConfig(hidden=64, intermediate=96, layers=1, heads=2, kv_heads=1, vocabulary=100), tower)
    return model, video_request(model, moving_pattern(2, 70, 70), before=2, after=4)
