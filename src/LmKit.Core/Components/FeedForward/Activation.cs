using System.Text.Json;
using System.Text.Json.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The pointwise functions of feed-forward parts.</summary>
/// <remarks>Configurations of Core's feed-forward parts also take the names of published models: <c>gelu_new</c> and <c>gelu_pytorch_tanh</c> for
/// <see cref="GeluTanh"/>, <c>swish</c> for <see cref="Silu"/>, <c>relu2</c> for <see cref="SquaredRelu"/>.</remarks>
public enum Activation
{
    /// <summary>GELU in its tanh approximation (GPT-2, H3, Gemma): x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).</summary>
    GeluTanh,

    /// <summary>Exact GELU, x Phi(x).</summary>
    Gelu,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>x sigmoid(x) (Llama).</summary>
    Silu,

    /// <summary><see cref="GeluTanh"/> with 0.7978845608 for sqrt(2/pi) (GPT-NeoX-20B).</summary>
    GeluFast,

    /// <summary><see cref="GeluTanh"/> with 0.79788456 for sqrt(2/pi) (BLOOM).</summary>
    GeluBloom,

    /// <summary>x sigmoid(1.702 x), which is close to GELU.</summary>
    QuickGelu,

    /// <summary>max(x, 0)^2.</summary>
    SquaredRelu,
}

/// <summary>Evaluates an <see cref="Activation"/>.</summary>
internal static class ActivationFunction
{
    internal static Tensor Apply(this Activation activation, Tensor x) => activation switch
    {
        Activation.GeluTanh => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh, false),
        Activation.Gelu => nn.functional.gelu(x),
        Activation.Relu => nn.functional.relu(x),
        Activation.Silu => nn.functional.silu(x),
        Activation.GeluFast => InWide(x, wide => TanhGelu(wide, 0.7978845608)),
        Activation.GeluBloom => InWide(x, wide => TanhGelu(wide, 0.79788456)),
        Activation.QuickGelu => InWide(x, wide => wide * (wide * 1.702).sigmoid()),
        Activation.SquaredRelu => InWide(x, wide => wide.relu().square()),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "unknown activation"),
    };

    private static Tensor TanhGelu(Tensor x, double root) => x * 0.5 * ((x * root * ((x * x * 0.044715) + 1)).tanh() + 1);

    // Half precision is computed in float32 and rounded once, as the library's own functions do.
    private static Tensor InWide(Tensor x, Func<Tensor, Tensor> function)
    {
        using var scope = NewDisposeScope();
        return HalfPrecision.Narrow(function(HalfPrecision.Widen(x)), x.dtype).MoveToOuterDisposeScope();
    }
}

/// <summary>Reads an activation by our name or that of a published model, and writes ours.</summary>
internal sealed class ActivationJsonConverter : JsonConverter<Activation>
{
    private static readonly Dictionary<string, Activation> names = Enum.GetValues<Activation>()
        .Select(activation => (Name: Name(activation), Activation: activation))
        .Concat([("gelu_new", Activation.GeluTanh), ("gelu_pytorch_tanh", Activation.GeluTanh), ("swish", Activation.Silu), ("relu2", Activation.SquaredRelu)])
        .ToDictionary(pair => pair.Item1, pair => pair.Item2, StringComparer.Ordinal);

    public override Activation Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && names.TryGetValue(reader.GetString()!, out var activation)
            ? activation
            : throw new JsonException($"there is no such activation; there are {string.Join(", ", names.Keys)}.");

    public override void Write(Utf8JsonWriter writer, Activation value, JsonSerializerOptions options) => writer.WriteStringValue(Name(value));

    private static string Name(Activation activation) => JsonNamingPolicy.SnakeCaseLower.ConvertName(activation.ToString());
}
