using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>Makes autoencoders for tests and moves values and gradients between them and golden data.</summary>
internal static class Parameters
{
    // Float64 results; the golden README allows 1e-9 + 1e-8 relative.
    internal const double Absolute = 1e-9;
    internal const double Relative = 1e-8;

    internal static T Make<T>(Func<ParameterFactory, T> make, ScalarType dtype = ScalarType.Float64)
    {
        LibTorch.EnsureLoaded();
        using var random = new Generator(3);
        return make(new ParameterFactory(random, dtype));
    }

    /// <summary>Copies golden parameters whose names the module has, by its names or by a translation.</summary>
    internal static void Fill(nn.Module module, GoldenCase golden, string prefix, Func<string, string>? translate = null)
    {
        using var frozen = no_grad();
        foreach (var (name, parameter) in module.named_parameters())
        {
            var published = prefix + (translate?.Invoke(name) ?? name);
            if (golden.Has(published))
                parameter.copy_(golden.Tensor(published));
        }
    }

    internal static void CheckGradients(nn.Module module, GoldenCase golden, string prefix, Func<string, string>? translate = null)
    {
        foreach (var (name, parameter) in module.named_parameters())
        {
            var published = prefix + (translate?.Invoke(name) ?? name);
            if (golden.Has(published))
                Check(golden, published, parameter.grad ?? zeros_like(parameter));
        }
    }

    /// <summary>An option of one prefix (<c>topk_raw.afa_coeff</c>) or of the whole file (<c>afa_coeff</c>); where neither is stated, the published value.</summary>
    internal static double Setting(GoldenCase golden, string prefix, string key, double? published)
    {
        var options = golden.Options;
        if (options.Has($"{prefix}.{key}"))
            return options.Number($"{prefix}.{key}");
        return published is { } value && !options.Has(key) ? value : options.Number(key);
    }

    /// <inheritdoc cref="Setting"/>
    internal static int WholeSetting(GoldenCase golden, string prefix, string key, int? published = null) => (int)Setting(golden, prefix, key, published);

    /// <summary>NaN stands in the same places; everything else is close.</summary>
    internal static void CheckWithGaps(GoldenCase golden, string name, Tensor actual)
    {
        var expected = golden.Tensor(name);
        Close.Check($"{name} is NaN", expected.isnan().to(ScalarType.Byte), actual.isnan().to(ScalarType.Byte));
        Close.Check(name, expected.masked_fill(expected.isnan(), 0), actual.masked_fill(actual.isnan(), 0), absolute: Absolute);
    }

    internal static void Check(GoldenCase golden, string name, Tensor actual)
    {
        var expected = golden.Tensor(name);
        Close.Check(name, expected, actual.detach().reshape(expected.shape), absolute: Absolute, relative: Relative);
    }
}
