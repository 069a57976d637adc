using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What a saved cache may be restored from.</summary>
[NoTensorLeak]
public sealed class KeyValueCacheTests
{
    [Fact]
    public void It_goes_on_from_what_it_saved()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModelTests.Model();
        var tokens = LanguageModelTests.Tokens(2, 9);
        var (saved, before) = Saved(model, tokens);
        before.Dispose();
        using var state = (ModelState)model.NewState(2);
        Assert.Equal(0, First(state).Count);
        First(state).Restore(saved, 5);

        Assert.Equal((5, 5), (First(state).Count, First(state).Position));
        foreach (var (name, value) in First(state).Tensors)
            Close.Check(name, saved[name], value);
    }

    [Fact]
    public void Tensors_that_are_no_caches_are_refused_and_the_state_stays()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModelTests.Model();
        var (saved, cache) = Saved(model, LanguageModelTests.Tokens(2, 9));
        using var owner = cache;
        var first = First(cache);
        foreach (var (name, wrong, text) in new (string, Tensor?, string)[]
        {
            ("keys", null, "lacks 'keys'"),
            ("cursor", null, "lacks 'cursor'"),
            ("more", zeros(1), "'more'"),
            ("keys", saved["keys"].to(ScalarType.Int64), "saved keys"),
            ("values", saved["values"].to(ScalarType.Int64), "saved values"),
            ("values", saved["values"].to(ScalarType.Float32), "saved values"),
            ("keys", saved["keys"] * double.NaN, "saved keys"),
            ("values", saved["values"] / 0.0, "saved values"),
            ("keys", saved["keys"].narrow(2, 0, 4), "do not fit"),
            ("values", saved["values"].narrow(1, 0, 1), "do not fit"),
            ("positions", saved["positions"].narrow(1, 0, 4), "saved positions"),
            ("documents", saved["documents"].narrow(0, 0, 1), "saved documents"),
            ("positions", saved["positions"].to(ScalarType.Float32), "saved positions"),
            ("documents", saved["documents"].to(ScalarType.Float64), "saved documents"),
            ("cursor", saved["cursor"].to(ScalarType.Float64), "saved cursor"),
            ("positions", saved["positions"] - 1, "negative"),
            ("documents", saved["documents"] - 2, "negative"),
            ("documents", saved["documents"] - 1, "saved documents are not all 0"),
            ("origin", null, "lacks 'origin'"),
            ("mask", null, "lacks 'mask'"),
            ("origin", saved["origin"].to(ScalarType.Float64), "saved origin"),
            ("origin", tensor(new long[] { 0, 0, 0, 0, 1, 6 }), "ends with 6 columns, of 5 that are held"),
            ("origin", tensor(new long[] { 0, 0, 0, 0, 1, -1 }), "ends with -1 columns"),
            ("origin", zeros(0, dtype: ScalarType.Int64), "ends with nothing"),
            ("origin", tensor(new long[] { 0, 0, 0, 0, 1, 4 }), "go on with 1 where 0 follows"),
            ("origin", tensor(new long[] { 0, 0, 3, 3, 1, 0 }), "leads row 0 to 3 tokens"),
            ("mask", tensor(new long[] { 1 }), "saved mask (Int64)"),
            ("mask", tensor("LambdaMask"u8.ToArray()), "of the mask LambdaMask and this state of LmKit.CausalMask"),
        })
        {
            var tensors = new Dictionary<string, Tensor>(saved);
            if (wrong is null)
                tensors.Remove(name);
            else
                tensors[name] = wrong;
            Assert.Contains(text, Assert.ThrowsAny<ArgumentException>(() => first.Restore(tensors, 5)).Message, StringComparison.Ordinal);
        }
        Assert.Equal("position", Assert.Throws<ArgumentOutOfRangeException>(() => first.Restore(saved, -1)).ParamName);
        Assert.Equal("tensors", Assert.Throws<ArgumentNullException>(() => first.Restore(null!, 5)).ParamName);
        Assert.Equal((5, 5), (first.Count, first.Position));
        first.Restore(saved, 5);
    }

    [Fact]
    public void Positions_that_go_backwards_are_refused_whether_rows_are_alike_or_not()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(1).AddAttention().AddSlidingWindowMask(window => window.Window = 8).Build();
        using var state = (ModelState)model.NewState(1);
        var tokens = (arange(60, dtype: ScalarType.Int64) % 5).unsqueeze(0);
        _ = model.call(tokens, new SequenceContext(state, full(1, 60, 4L, ScalarType.Int64)));
        var saved = First(state).Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        var positions = saved["positions"].clone();
        (saved["positions"][0, 2], saved["positions"][0, 3]) = (positions[0, 3], positions[0, 2]);

        Assert.Contains($"of row 0 go from {positions[0, 3].item<long>()} back to {positions[0, 2].item<long>()} in document 4", Assert.ThrowsAny<ArgumentException>(() => First(state).Restore(saved, 60)).Message, StringComparison.Ordinal);
        saved["positions"] = positions;
        First(state).Restore(saved, 60);
    }

    [Fact]
    public void A_cache_of_another_mask_is_refused_with_both_names()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var one = ToyModel.Builder(1).AddAttention().AddSlidingWindowMask(window => window.Window = 8).Build();
        using var other = ToyModel.Builder(1).AddAttention().AddSlidingWindowMask(window => window.Window = 9).Build();
        using var state = one.NewState(1);
        using var target = other.NewState(1);
        _ = one.call(zeros(1, 5, dtype: ScalarType.Int64), new SequenceContext(state));

        var message = Assert.ThrowsAny<ArgumentException>(() => target.Restore(state.Tensors, 5)).Message;
        Assert.Contains("SlidingWindowMask (Window = 8)", message, StringComparison.Ordinal);
        Assert.Contains("SlidingWindowMask (Window = 9)", message, StringComparison.Ordinal);
    }

    private static (Dictionary<string, Tensor> Tensors, ModelState State) Saved(LanguageModel model, Tensor tokens)
    {
        var state = (ModelState)model.NewState(2);
        model.call(tokens.narrow(1, 0, 5), new SequenceContext(state)).Dispose();
        return (First(state).Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone()), state);
    }

    private static KeyValueCache First(ModelState state) => state.Layers.OfType<KeyValueCache>().First();
}
