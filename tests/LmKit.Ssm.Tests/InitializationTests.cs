using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>Initial values of a whole hybrid with default options: widths of the normal weights, zero biases, which weights are trained apart.</summary>
[NoTensorLeak]
public class InitializationTests
{
    private const int LayerCount = 6;

    [Fact]
    public void Weights_are_normal_with_the_published_width_and_smaller_where_they_write_to_the_residual_stream()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Hybrid(modelDim: 96);
        var seen = new HashSet<string>();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var kind = string.Join('.', name.Split('.')[^2..]);
            if (kind is "out_proj.weight" or "fc2.weight" or "output_linear.weight")
                CheckWidth(name, parameter, 0.02 / Math.Sqrt(2.0 * LayerCount));
            else if (kind is "q_proj.weight" or "k_proj.weight" or "v_proj.weight" or "fc1.weight" or "word_embeddings.weight")
                CheckWidth(name, parameter, 0.02);
            else if (kind.EndsWith("proj.bias", StringComparison.Ordinal) || kind is "fc1.bias" or "fc2.bias" or "output_linear.bias")
                Close.Check(name, zeros_like(parameter), parameter);
            else
                continue;
            seen.Add(kind);
        }

        Assert.Equal(15, seen.Count);
    }

    [Fact]
    public void Time_steps_are_uniform_in_their_logarithm()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        const int Count = 4096;
        using var ssm = new DiagonalSsm(new DiagonalSsmOptions(2), Count, new ParameterFactory(random, ScalarType.Float64));
        var sorted = ssm.get_parameter("kernel.log_dt")!.detach().sort().Values.contiguous().data<double>().ToArray();
        var (low, high) = (Math.Log(1e-3), Math.Log(0.1));
        var furthest = sorted.Index().Max(entry => Math.Abs((entry.Item - low) / (high - low) - (entry.Index + 0.5) / Count));

        Assert.InRange(sorted[0], low, high);
        Assert.InRange(sorted[^1], low, high);
        Assert.True(furthest < 1.95 / Math.Sqrt(Count), $"Kolmogorov-Smirnov distance {furthest}: less than one draw in a thousand is as far from uniform.");
    }

    [Fact]
    public void A_hybrid_trains_apart_exactly_the_published_list()
    {
        using var model = Hybrid(modelDim: 8);
        var apart = DecayGroups.Of(model).Where(group => group.Hint.MaxLearningRate is not null).ToList();
        string[] list = ["kernel.kernel.A_imag", "kernel.kernel.B", "kernel.kernel.inv_A_real", "kernel.kernel.log_dt", "ssm_k_kernel.kernel.B"];
        int[] recurrent = [0, 1, 3, 4, 5];

        Assert.All(apart, group => Assert.Equal(new ParameterHint(MaxLearningRate: 1e-3, Decays: false), group.Hint));
        Assert.Equal(
            recurrent.SelectMany(layer => list.Select(name => $"layers.{layer}.mixer.{name}")),
            apart.SelectMany(group => group.Parameters.Select(pair => pair.Name)).Order(StringComparer.Ordinal));
    }

    // The width of n normal draws errs by 1 / sqrt(2 n), their mean by 1 / sqrt(n); four of each.
    private static void CheckWidth(string name, Tensor weight, double width)
    {
        var draws = (double)weight.numel();
        Assert.True(Math.Abs(weight.std().item<float>() / width - 1) < 4 / Math.Sqrt(2 * draws), $"{name}: width {weight.std().item<float>()}, wanted {width}.");
        Assert.True(Math.Abs(weight.mean().item<float>()) < 4 * width / Math.Sqrt(draws), $"{name}: mean {weight.mean().item<float>()}.");
    }

    private static LanguageModel Hybrid(long modelDim) =>
        new LanguageModelBuilder { VocabSize = 64, ModelDim = modelDim, LayerCount = LayerCount }.AddH3(h3 => h3.StateDim = 8).AddAttention(layers: [2]).Build();
}
