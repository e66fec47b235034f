"""Weights of the published implementations of CTX-vec2wav, LSCodec's alpha and vec2wav 2.0.

Rules rewrite the tensor names of this package to the published names. Reading a published state dict then
means looking up each tensor of a model under its rewritten name. The three implementations share their names,
and a model looks up only the tensors that it has.
"""

import re
from collections.abc import Mapping

import torch
from torch import nn

from benchmark.errors import UserError
from benchmark.models.vocoder.frontend import Frontend

NORMS = ("norm_ff_macaron", "norm_mha", "norm2", "norm_conv", "norm_ff", "norm_final")
REWRITES = tuple(
    (re.compile(ours), theirs)
    for ours, theirs in (
        (r"^frontend\.embed\.", r"frontend.encoder1.embed."),
        (r"^frontend\.between\.", r"frontend.hidden_proj."),
        (r"^frontend\.mel_head\.", r"frontend.mel_proj."),
        (r"^frontend\.auxiliary\.head\.", r"frontend.aux_proj."),
        (r"^frontend\.auxiliary\.prenet\.", r"frontend.aux_prenet."),
        (r"(encoder\d\.)norm\.", r"\1after_norm."),
        (r"(encoder\d\.)blocks\.", r"\1decoders."),
        (r"\.self_attention\.position\.", r".self_attn.linear_pos."),
        (r"\.self_attention\.content_bias$", r".self_attn.pos_bias_u"),
        (r"\.self_attention\.position_bias$", r".self_attn.pos_bias_v"),
        (r"\.self_attention\.", r".self_attn."),
        (r"\.cross_attention\.", r".src_attn."),
        (r"(attn\.)query\.", r"\1linear_q."),
        (r"(attn\.)key\.", r"\1linear_k."),
        (r"(attn\.)value\.", r"\1linear_v."),
        (r"(attn\.)out\.", r"\1linear_out."),
        (r"\.feed_forward1\.", r".feed_forward_macaron."),
        (r"\.feed_forward2\.", r".feed_forward."),
        (r"(\.feed_forward\w*\.)expand\.", r"\1w_1."),
        (r"(\.feed_forward\w*\.)reduce\.", r"\1w_2."),
        (r"\.convolution\.gate\.", r".conv_module.pointwise_conv1."),
        (r"\.convolution\.depthwise\.", r".conv_module.depthwise_conv."),
        (r"\.convolution\.out\.", r".conv_module.pointwise_conv2."),
        (r"\.convolution\.norm\.", r".conv_module.norm."),
        *((rf"\.norms\.{number}\.", rf".{name}.") for number, name in enumerate(NORMS)),
        (r"^prenet\.conv\.", r"frontend.prompt_prenet."),
        (r"^prenet\.layers\.(\d+)\.conv\.", r"frontend.prompt_prenet.conv_layers.\1.0."),
        (r"^prenet\.layers\.(\d+)\.norm\.", r"frontend.prompt_prenet.conv_layers.\1.2."),
        (r"^prenet\.layers\.(\d+)\.skip\.", r"frontend.prompt_prenet.residual_proj.\1."),
        (r"^generator\.input\.", r"backend.input_conv."),
        (r"^generator\.upsamplers\.(\d+)\.", r"backend.upsamples.\1.1."),
        (r"^generator\.output\.", r"backend.output_conv.1."),
        (r"\.dilated\.(\d+)\.", r".convs1.\1.1."),
        (r"\.plain\.(\d+)\.", r".convs2.\1.1."),
        (r"^discriminators\.periods\.(\d+)\.layers\.(\d+)\.", r"mpd.discriminators.\1.convs.\2.0."),
        (r"^discriminators\.periods\.(\d+)\.verdict\.", r"mpd.discriminators.\1.output_conv."),
        (r"^discriminators\.scales\.(\d+)\.layers\.(\d+)\.", r"msd.discriminators.\1.layers.\2.0."),
        # Layer 7 follows the first convolution, one convolution per stride, and the wide one.
        (r"^discriminators\.scales\.(\d+)\.verdict\.", r"msd.discriminators.\1.layers.7."),
        (r"\.parametrizations\.weight\.original0$", r".weight_g"),
        (r"\.parametrizations\.weight\.original1$", r".weight_v"),
    )
)
FIELD_BLOCK = re.compile(r"^generator\.fields\.(\d+)\.blocks\.(\d+)\.")
OWN = re.compile(r"^(mel\.|frontend\.tokens\.|frontend\.auxiliary\.(mean|std)$|generator_step$)")
"""Tensors that the published implementations keep outside their networks."""


def published_names(model: nn.Module) -> dict[str, str]:
    """Return the published name of each tensor of `model` that the published implementations have.

    Args:
        model: Any module with `frontend`, `prenet`, `generator` or `discriminators` under these names, such
            as `CTXVec2Wav`; the generator must be a HiFi-GAN.
    """
    own, names = model.state_dict(), {}
    per_field = 1 + max((int(found[2]) for name in own if (found := FIELD_BLOCK.match(name))), default=0)
    for name in own:
        if OWN.match(name):
            continue
        theirs = FIELD_BLOCK.sub(
            lambda found: f"backend.blocks.{int(found[1]) * per_field + int(found[2])}.", name
        )
        for ours, replacement in REWRITES:
            theirs = ours.sub(replacement, theirs)
        names[name] = theirs
    return names


def load_published(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Load a published state dict into `model`; weight norm must be folded in both, or in neither.

    The models here centre and scale codebook vectors before the first linear layer; the weights of that layer
    are changed to undo this.

    Args:
        model: See `published_names`. Statistics of the mel and of the auxiliary features stay unchanged.
        state: Published tensors by name, such as `torch.load(…)["model"]["generator"]`.

    Raises:
        UserError: a tensor is missing, left over, or differs in size from that of the model.
    """
    names = published_names(model)
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    missing, spare = set(names.values()) - set(state), set(state) - set(names.values()) - counters
    if missing or spare:
        raise UserError(
            f"the weights belong to another model: {_some(missing)} missing, {_some(spare)} left over; "
            "use the config that they were trained with"
        )
    own = model.state_dict()
    for name, theirs in names.items():
        # Published pointwise convolutions are linear layers here, and the published attention biases lack a
        # dimension.
        if [n for n in state[theirs].shape if n > 1] != [n for n in own[name].shape if n > 1]:
            raise UserError(
                f"{theirs} has the shape {tuple(state[theirs].shape)}, {name} here {tuple(own[name].shape)}; "
                "use the config that the weights were trained with"
            )
        own[name].copy_(state[theirs].reshape(own[name].shape))
    frontend = getattr(model, "frontend", None)
    if isinstance(frontend, Frontend) and isinstance(linear := frontend.embed[0], nn.Linear):
        with torch.no_grad():
            linear.bias.add_(linear.weight @ frontend.tokens.centre)
            linear.weight.mul_(frontend.tokens.scale)


def _some(names: set[str]) -> str:
    return f"{len(names)} ({', '.join(sorted(names)[:3])}…)" if names else "none"
