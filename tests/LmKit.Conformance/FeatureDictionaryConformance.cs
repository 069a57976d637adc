using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a dictionary of features.</summary>
[NoTensorLeak]
public abstract class FeatureDictionaryConformance
{
    /// <summary>Makes the dictionary, always with the same parameters; the suite disposes it.</summary>
    protected abstract IDictionary Create(ScalarType dtype);

    /// <summary>Number of features F.</summary>
    protected abstract long FeatureCount { get; }

    /// <summary>Width D of the activations.</summary>
    protected abstract long ModelDim { get; }

    /// <summary>Whether codes are promised to be at least 0.</summary>
    protected virtual bool IsNonNegative => true;

    /// <summary>The largest number of active codes a row may have, on average over a batch; null for no promise.</summary>
    protected virtual double? ActiveLimit => null;

    /// <summary>For a supervised dictionary: how many values each attribute has, in the order of its features.</summary>
    protected virtual IReadOnlyList<long>? AttributeSizes => null;

    /// <summary>Largest difference in float64.</summary>
    protected virtual double Tolerance => 1e-11;

    [Fact]
    public void Decoding_is_codes_times_atoms_plus_bias()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var dictionary = Make();
        var codes = Random([5, FeatureCount]);
        var expected = codes.mm(dictionary.Module.Atoms) + dictionary.Module.Bias;

        Close.Check("Decode(c)", expected, dictionary.Module.Decode(codes), absolute: Tolerance);
        Close.Check("Decode(0)", dictionary.Module.Bias.unsqueeze(0), dictionary.Module.Decode(zeros_like(codes).narrow(0, 0, 1)), absolute: Tolerance);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    public void Shapes_are_as_stated(long count)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var dictionary = Make();
        Assert.Equal([FeatureCount, ModelDim], dictionary.Module.Atoms.shape);
        Assert.Equal([ModelDim], dictionary.Module.Bias.shape);
        var codes = dictionary.Module.Encode(Batch(count));

        Assert.Equal([count, FeatureCount], codes.shape);
        Assert.Equal([count, ModelDim], dictionary.Module.Decode(codes).shape);
    }

    [Fact]
    public void Codes_keep_the_promise_of_sign_and_sparsity()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var dictionary = Make();
        var codes = dictionary.Module.Encode(Batch(64));

        Assert.True(codes.isfinite().all().item<bool>());
        if (IsNonNegative)
            Assert.True(codes.ge(0).all().item<bool>(), "A code is negative.");
        var active = codes.ne(0).sum(1).to(ScalarType.Float64).mean().item<double>();
        Assert.True(active > 0, "No code is ever active.");
        if (ActiveLimit is { } limit)
            Assert.True(active <= limit, $"{active} codes are active a row; {limit} are promised.");
    }

    [Fact]
    public void A_supervised_dictionary_has_one_active_code_per_attribute()
    {
        if (AttributeSizes is not { } sizes)
            return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var dictionary = Make();
        var codes = dictionary.Module.Encode(Batch(64));
        var start = 0L;
        foreach (var size in sizes)
        {
            var active = codes.narrow(1, start, size).ne(0).sum(1);
            Assert.True(active.eq(1).all().item<bool>(), $"The attribute of features {start} to {start + size - 1} has not exactly one active code in some row.");
            start += size;
        }
        Assert.Equal(FeatureCount, start);
    }

    [Fact]
    public void Rows_are_encoded_the_same_again()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var dictionary = Make();
        var batch = Batch(6);

        Close.Check("second encoding", dictionary.Module.Encode(batch), dictionary.Module.Encode(batch), absolute: Tolerance);
    }

    [Fact]
    public void Wrong_widths_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var dictionary = Make();
        var error = Assert.ThrowsAny<ArgumentException>(() => dictionary.Module.Encode(Batch(2) with { Values = Random([2, ModelDim + 1]) }));

        Assert.Contains($"{ModelDim + 1}", error.Message, StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => dictionary.Module.Decode(Random([2, FeatureCount + 1])));
    }

    [Fact]
    public void No_call_leaves_a_tensor_behind()
    {
        using var scope = NewDisposeScope();
        using var dictionary = Make();
        var batch = Batch(3);
        var codes = Random([3, FeatureCount]);
        dictionary.Module.Encode(batch).Dispose();
        _ = (dictionary.Module.Atoms, dictionary.Module.Bias);

        LiveTensors.Unchanged("Encode", () => dictionary.Module.Encode(batch).Dispose());
        LiveTensors.Unchanged("Decode", () => dictionary.Module.Decode(codes).Dispose());
        LiveTensors.Unchanged("Atoms and Bias", () => _ = (dictionary.Module.Atoms, dictionary.Module.Bias));
    }

    /// <summary>Activations to encode; override where attributes must agree with values.</summary>
    protected virtual ActivationBatch Batch(long count)
    {
        using var random = new Generator(8);
        var attributes = AttributeSizes?.Select(size => randint(0, size, [count], ScalarType.Int64, generator: random)).ToArray();
        return new ActivationBatch(Random([count, ModelDim]), attributes is null ? null : stack(attributes, 1));
    }

    /// <summary>Float64 values from a standard normal distribution, always the same.</summary>
    protected static Tensor Random(long[] shape)
    {
        using var random = new Generator(7);
        return randn(shape, ScalarType.Float64, generator: random);
    }

    private Subject<IDictionary> Make() => new(Create(ScalarType.Float64));
}
