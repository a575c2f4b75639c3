"""The backbone scope: a decoder alone, on the visual tokens of a request and one prompt token, as an IR module.

In: the sizes of a decoder and the grids of its visual tokens.  Out: `backbone_module`, a module at the tensor level whose @main takes
`visual` [V, D] (the rows that enter the decoder), `input_ids` [1, T] and, of a decoder that is given features after its first layers too,
`features.0` [V, D] and so on, and returns the last token's hidden state; the passes from annotate-tokens on compile it.  Parameters are
named (`layers.3.self_attn.q_proj.weight`) and have no values.

The published figures count the decoder layers on visual tokens only.  The one prompt token (T = 1) is what semantic concentration takes
its importance from; it adds one row to every layer, 1 / V of the work.  No final norm, no lm_head.
"""
from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from focus.dialects import focus as d
from focus.dialects.context import make_context
from focus.dialects.contracts import TOKENS
from focus.runtime.evaluate.baselines import DecoderSizes, Row
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.tokens import Grid, Run, TokenLayout

VOCABULARY = 32         #: rows of the prompt's embedding table, of which a run reads T
EPS = 1e-6


@dataclass(frozen=True)
class Backbone:
    """A decoder and the tokens it runs on: `compile` takes one in place of a model.

    `tokens`: V visual tokens, then T prompt tokens.  `concentration`: what the presets mean for this workload, None for the default.
    """
    name: str
    decoder: DecoderSizes
    tokens: TokenLayout
    concentration: Concentration | None = None
    bias: bool = True                       #: whether the q, k and v projections have biases (Qwen2)
    head_norms: bool = False                #: whether each head of queries and keys has an RMS norm (Qwen3)
    levels: int = 0                         #: layers after which features are added to the visual rows (deepstack)

    @classmethod
    def of_grids(cls, name: str, decoder: DecoderSizes, visual: int, grids: tuple[Grid, ...], concentration: Concentration | None = None,
                 prompt: int = 1) -> Backbone:
        """The backbone on `visual` tokens that stand first, and `prompt` text tokens.  Raises FocusError."""
        if prompt < 1:
            raise FocusError(f"{name}: a backbone needs a prompt token, whose attention semantic concentration reads; got {prompt}")
        tokens = TokenLayout(V=visual, S=visual + prompt, runs=(Run(0, visual),), grids=grids)
        return cls(name, decoder, tokens, concentration)

    @classmethod
    def of_row(cls, row: Row, decoder: DecoderSizes | None = None) -> Backbone:
        """The backbone of a published workload."""
        frames, height, width = row.grid
        grid = Grid.dense(0, frames, height, width, row_gap=row.row_gap)
        return cls.of_grids(row.name, decoder or DecoderSizes(), row.visual, (grid,), row.concentration())

    @property
    def ports(self) -> tuple[tuple[str, str, tuple], ...]:
        """Inputs of the program, as `Interface` has them."""
        rows = self.tokens.V, self.decoder.hidden
        features = ((f"features.{i}", "float32", rows) for i in range(self.levels))
        return ("visual", "float32", rows), ("input_ids", "int64", (1, self.tokens.T)), *features


def backbone_module(backbone: Backbone) -> ir.Module:
    """The module, with its token layout on @main, in a fresh context."""
    context = make_context()
    with context, ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            _Writer(backbone).write()
    return module


class _Writer:
    """Writes @main at the current insertion point."""

    def __init__(self, backbone: Backbone):
        self.backbone, self.sizes, self.tokens = backbone, backbone.decoder, backbone.tokens

    def write(self) -> None:
        s, t = self.sizes, self.tokens
        rows = d.tensor_type(t.V, s.hidden)
        arguments = {name: rows if stored == "float32" else d.tensor_type(1, t.T, dtype="i32") for name, stored, _ in self.backbone.ports}
        result = d.tensor_type(1, s.hidden)
        names = ir.ArrayAttr.get([ir.DictAttr.get({"focus.name": ir.StringAttr.get(n)}) for n in arguments])
        function = ir.Operation.create("func.func", regions=1, attributes={
            "sym_name": ir.StringAttr.get("main"), "arg_attrs": names, TOKENS: d.TokensAttr.make(t.V, t.S, t.flat_runs(), t.flat_grids()),
            "function_type": ir.TypeAttr.get(ir.FunctionType.get(list(arguments.values()), [result]))})
        block = function.regions[0].blocks.append(*arguments.values())
        with ir.InsertionPoint(block):
            visual, ids, *features = block.arguments
            rows = self._sequence(visual, ids)
            self.tables = [self.param(f"const.rope_{n}", t.S, s.head_dim) for n in ("cos", "sin")]
            for layer in range(s.layers):
                rows = self._layer(f"layers.{layer}", rows)
                if layer < len(features):
                    rows = d.AddVisualOp.build(rows, features[layer], runs=[0, t.V], results=rows.type, loc="visual_features").result
            last = d.SliceOp.build(rows, offsets=[t.S - 1, 0], sizes=[1, s.hidden], results=result, loc="last_token").result
            ir.Operation.create("func.return", operands=[last])

    def param(self, name: str, *shape: int) -> ir.Value:
        return d.ParamOp.build(name=name, results=d.tensor_type(*shape), loc=name).result

    def _sequence(self, visual: ir.Value, ids: ir.Value) -> ir.Value:
        """Visual rows, then the prompt's embeddings."""
        s, t = self.sizes, self.tokens
        table = self.param("embed_tokens.weight", VOCABULARY, s.hidden)
        text = d.EmbeddingOp.build(ids, table, results=d.tensor_type(t.T, s.hidden), loc="embed_tokens").result
        return d.ConcatOp.build(visual, text, results=d.tensor_type(t.S, s.hidden), loc="sequence").result

    def _layer(self, path: str, rows: ir.Value) -> ir.Value:
        """One decoder layer: attention with RoPE, then the gated MLP, each after a norm and added to the residual stream."""
        s = self.sizes
        rows = self._add(path, rows, self._attention(f"{path}.self_attn", self._norm(f"{path}.input_layernorm", rows)))
        normed = self._norm(f"{path}.post_attention_layernorm", rows)
        gate = self._linear(f"{path}.mlp.gate_proj", normed, s.intermediate)
        gate = d.ActivationOp.build(gate, kind="silu", results=gate.type, loc=f"{path}.mlp.act_fn").result
        up = self._linear(f"{path}.mlp.up_proj", normed, s.intermediate)
        product = d.MulOp.build(gate, up, results=gate.type, loc=f"{path}.mlp").result
        return self._add(path, rows, self._linear(f"{path}.mlp.down_proj", product, s.hidden))

    def _attention(self, path: str, normed: ir.Value) -> ir.Value:
        s, bias = self.sizes, self.backbone.bias
        q, k = (self._linear(f"{path}.{name}_proj", normed, width, bias) for name, width in (("q", s.query_width), ("k", s.kv_width)))
        if self.backbone.head_norms:
            q, k = (self._norm(f"{path}.{name}_norm", x, s.head_dim) for name, x in (("q", q), ("k", k)))
        q, k = self._rope(path, q), self._rope(path, k)
        v = self._linear(f"{path}.v_proj", normed, s.kv_width, bias)
        out = d.AttentionOp.build(q, k, v, heads=s.heads, kv_heads=s.kv_heads, head_dim=s.head_dim, scale=s.head_dim ** -0.5, causal=True,
                                  results=q.type, loc=path).result
        return self._linear(f"{path}.o_proj", out, s.hidden)

    def _linear(self, path: str, x: ir.Value, width: int, bias: bool = False) -> ir.Value:
        extra = {"bias": self.param(f"{path}.bias", width)} if bias else {}
        weight = self.param(f"{path}.weight", width, x.type.shape[1])
        return d.LinearOp.build(x, weight, **extra, results=d.tensor_type(x.type.shape[0], width), loc=path).y

    def _rope(self, path: str, x: ir.Value) -> ir.Value:
        return d.RopeOp.build(x, *self.tables, head_dim=self.sizes.head_dim, results=x.type, loc=path).result

    def _norm(self, path: str, x: ir.Value, width: int | None = None) -> ir.Value:
        """Norm of whole rows, or of parts of `width` columns."""
        return d.RMSNormOp.build(x, self.param(f"{path}.weight", width or x.type.shape[1]), eps=EPS, results=x.type, loc=path).result

    def _add(self, path: str, a: ir.Value, b: ir.Value) -> ir.Value:
        return d.AddOp.build(a, b, results=a.type, loc=path).result
