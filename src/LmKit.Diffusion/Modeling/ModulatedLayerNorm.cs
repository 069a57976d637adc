using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The last norm of a diffusion transformer: norm(x) (1 + sc) + sh, shift and scale linear in the model's condition and zero at the start.</summary>
public sealed class ModulatedLayerNorm : nn.Module<Tensor, Tensor, Tensor>, nn.IModule<Tensor, Tensor>
{
    internal const string Modulation = "adaLN_modulation";

    private readonly LayerNorm norm;
    [ComponentName(Name = Modulation)]
    private readonly ILinear modulation;

    /// <summary>Makes it as a model's last norm.</summary>
    /// <exception cref="ArgumentException">It is another norm than the last, which is the only one that is handed the condition, or the model has no
    /// conditioning.</exception>
    public ModulatedLayerNorm(LayerNormOptions options, LayerContext layer)
        : base(nameof(ModulatedLayerNorm))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        if (layer.LayerIndex != layer.LayerCount || layer.Path.Contains('.', StringComparison.Ordinal))
            throw new ArgumentException($"only a model's last norm is handed the condition, and {layer.Path} is another; give it layers: [{layer.LayerCount}].");
        var conditionDim = layer.TakeCondition();
        norm = new LayerNorm(options, layer);
        modulation = layer.Linear(Modulation, conditionDim, 2 * layer.Width, startsAtZero: true);
        RegisterComponents();
    }

    /// <summary>Norms x (B, L, D) by a condition (B or 1, C).</summary>
    public override Tensor forward(Tensor x, Tensor condition)
    {
        using var scope = NewDisposeScope();
        var parts = modulation.call(condition).unsqueeze(1).chunk(2, -1);
        return Modulate(norm.call(x), parts[0], parts[1]).MoveToOuterDisposeScope();
    }

    Tensor nn.IModule<Tensor, Tensor>.call(Tensor x) =>
        throw new InvalidOperationException($"{nameof(ModulatedLayerNorm)} needs the condition beside its input.");

    internal static Tensor Modulate(Tensor x, Tensor shift, Tensor scale) => x * (scale + 1) + shift;
}
