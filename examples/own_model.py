"""A model of your own: `focusc examples/own_model.py:small -o small.fxb --save-inputs in.safetensors`.

In: nothing.  Out: `small()` -> (model, inputs of its forward), which is all that focusc and focus.compile need.  Any configuration of a
supported class will do, trained or not; sizes need not be multiples of anything.
"""
import torch
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

FRAMES, IMAGE, PATCH = 4, 84, 14
VOCABULARY = 300


def small() -> tuple[LlavaOnevisionForConditionalGeneration, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    config = LlavaOnevisionConfig(
        vision_config=dict(model_type="siglip_vision_model", hidden_size=90, intermediate_size=130, num_hidden_layers=2,
                           num_attention_heads=3, image_size=IMAGE, patch_size=PATCH, vision_use_head=False),
        text_config=dict(model_type="qwen2", vocab_size=VOCABULARY, hidden_size=160, intermediate_size=344, num_hidden_layers=4,
                         num_attention_heads=5, num_key_value_heads=1),
        image_token_index=VOCABULARY - 2, video_token_index=VOCABULARY - 1)
    model = LlavaOnevisionForConditionalGeneration(config).eval()
    side = -(-(IMAGE // PATCH) // 2)                    # the pooled grid of a frame
    visual = FRAMES * side * side + 1                   # and one newline token after the last frame
    before, prompt = [5, 6, 7], [8, 9, 10, 11]
    return model, {"input_ids": torch.tensor([before + [VOCABULARY - 1] * visual + prompt]),
                   "pixel_values_videos": torch.randn(1, FRAMES, 3, IMAGE, IMAGE)}
