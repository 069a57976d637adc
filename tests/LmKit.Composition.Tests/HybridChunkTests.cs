using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>State spaces, a bounded attention cache and Monarch products in one model read a text in pieces as they read it whole.</summary>
[NoTensorLeak]
public sealed class HybridChunkTests
{
    private const long Length = 130;

    private static readonly Dictionary<string, Kind<PositionEncoding>> encodings = new() { ["rotary"] = PositionComponents.Rotary, ["alibi"] = PositionComponents.Alibi };

    public static TheoryData<int, string> Pieces
    {
        get
        {
            var cases = new TheoryData<int, string>();
            foreach (var piece in new[] { 1, 5, 64, 129 })
            {
                foreach (var positions in encodings.Keys)
                    cases.Add(piece, positions);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Pieces))]
    public void Pieces_are_the_whole_and_forked_and_saved_states_go_on_alike(int piece, string positions)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(3);
        using var model = Model(positions);
        var tokens = randint(0, 40, [2, Length], ScalarType.Int64, generator: random);
        var whole = model.call(tokens, null);
        using var state = model.NewState(2);
        var parts = new List<Tensor>();
        for (var start = 0L; start < Length; start += piece)
            parts.Add(model.call(tokens.narrow(1, start, Math.Min(piece, Length - start)), new SequenceContext(state)));

        Close.Check("pieces", whole, cat(parts, 1), absolute: 1e-9);

        using var half = model.NewState(2);
        model.call(tokens.narrow(1, 0, 70), new SequenceContext(half)).Dispose();
        using var forked = half.Fork(tensor(new long[] { 1, 0 }));
        var swapped = model.call(tokens.narrow(1, 70, 60).flip(0), new SequenceContext(forked));
        Close.Check("fork", whole.narrow(1, 70, 60).flip(0), swapped, absolute: 1e-9);
        using var restored = model.NewState(2);
        restored.Restore(half.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone()), half.Position);
        Close.Check("restored", whole.narrow(1, 70, 60), model.call(tokens.narrow(1, 70, 60), new SequenceContext(restored)), absolute: 1e-9);
    }

    // The window of 24 and both kinds of layers matter: without any of them the text reads otherwise.
    [Fact]
    public void What_leaves_the_window_is_carried_by_the_state_space_alone()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(3);
        using var model = Model("rotary");
        var tokens = randint(0, 40, [1, Length], ScalarType.Int64, generator: random);
        var other = tokens.clone();
        other[0, 50] = (tokens[0, 50] + 1).remainder(40);
        Assert.True((model.call(tokens, null)[0, Length - 1] - model.call(other, null)[0, Length - 1]).abs().max().item<double>() > 1e-12);
    }

    private static LanguageModel Model(string positions) =>
        new LanguageModelBuilder { VocabSize = 40, ModelDim = 16, LayerCount = 3, Dtype = ScalarType.Float64 }
            .AddH3(h3 => h3.StateDim = 8)
            .AddAttention(attention => attention.HeadCount = 4, layers: [1])
            .Add(encodings[positions])
            .AddLambdaMask(lambda => (lambda.LocalLength, lambda.GlobalLength) = (24, 4))
            .AddMonarchLinear(monarch => monarch.BlockCount = 4)
            .Build();
}
