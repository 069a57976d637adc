using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The pointwise functions of feed-forward parts.</summary>
public enum Activation
{
    /// <summary>GELU in its tanh approximation (GPT-2, H3).</summary>
    GeluTanh,

    /// <summary>Exact GELU, x Phi(x).</summary>
    Gelu,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>x sigmoid(x) (Llama).</summary>
    Silu,
}
