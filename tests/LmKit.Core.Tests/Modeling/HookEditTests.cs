using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Edits of one row at every hook point, in whole sequences and in calls with state.</summary>
[NoTensorLeak]
public sealed class HookEditTests
{
    public static TheoryData<string> Blocks => ["sequential", "parallel", "sandwich", "post_norm"];

    [Theory]
    [MemberData(nameof(Blocks))]
    public void An_edit_at_any_point_touches_its_row_alone_with_and_without_state(string block)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(block);
        var tokens = tensor(new long[] { 1, 2, 3, 4, 5, 6, 0, 2, 4 }, [3, 3]);
        var plain = model.call(tokens, null);
        foreach (var point in model.HookPoints.Keys)
        {
            Tensor Edit(Tensor activation) => activation * 1.5 + 0.25;
            var context = new SequenceContext { Edits = HookEdits.None.Add(point, 1, Edit) };
            var edited = model.call(tokens, context);
            Assert.True(plain[0].Equals(edited[0]) && plain[2].Equals(edited[2]), $"An edit of row 1 at {point} touched another row.");
            Assert.False(plain[1].Equals(edited[1]), $"An edit at {point} changed nothing.");
            var alone = new SequenceContext { Edits = HookEdits.None.Add(point, 0, Edit) };
            Close.Check(point, model.call(tokens.narrow(0, 1, 1), alone), edited.narrow(0, 1, 1), absolute: 1e-12);
            using var state = model.NewState(3);
            var parts = new[] { (0, 2), (2, 1) }.Select(part => model.call(tokens.narrow(1, part.Item1, part.Item2), context with { State = state }));
            Close.Check(point, edited, cat([.. parts], 1), absolute: 1e-12);
        }
    }

    [Fact]
    public void An_edit_sees_its_row_without_padding_and_never_a_row_of_padding()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model("sequential");
        var seen = new List<long>();
        var edits = HookEdits.None.Add("layers.0.resid_post", 0, Note).Add("layers.0.resid_post", 1, Note).Add("layers.0.resid_post", 2, Note);
        model.call(zeros(3, 4, dtype: ScalarType.Int64), new SequenceContext(null, tensor(new long[] { -1, 0, 0, 0, -1, -1, -1, -1, 0, 0, 0, 0 }, [3, 4])) { Edits = edits });
        Assert.Equal([3, 4], seen);

        Tensor Note(Tensor activation)
        {
            seen.Add(activation.size(1));
            return activation;
        }
    }

    [Fact]
    public void An_edit_without_a_place_and_one_that_changes_the_shape_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var model = Model("sequential");
        var tokens = zeros(2, 3, dtype: ScalarType.Int64);
        Tensor Call(HookEdits edits) => model.call(tokens, new SequenceContext { Edits = edits });
        Assert.Contains("no point 'layers.9'", Assert.Throws<ArgumentException>(() => Call(HookEdits.None.Add("layers.9", 0, x => x))).Message, StringComparison.Ordinal);
        Assert.Contains("row 2", Assert.Throws<ArgumentException>(() => Call(HookEdits.None.Add("ln_f.out", 2, x => x))).Message, StringComparison.Ordinal);
        Assert.Contains("'ln_f.out'", Assert.Throws<InvalidOperationException>(() => Call(HookEdits.None.Add("ln_f.out", 1, x => x.narrow(1, 0, 1)))).Message, StringComparison.Ordinal);
        using var pointless = FixedModel.OfLetters(1);
        var refusal = Assert.Throws<NotSupportedException>(() => new AutoregressiveSampler(pointless).Sample(new SampleRequest(tokens, 1) { Edits = HookEdits.None.Add("ln_f.out", 0, x => x) }));
        Assert.Contains("FixedModel has no hook points", refusal.Message, StringComparison.Ordinal);
    }

    private static LanguageModel Model(string block)
    {
        var builder = new LanguageModelBuilder { VocabSize = 7, ModelDim = 8, LayerCount = 2, Dtype = ScalarType.Float64 }.AddAttention(attention => attention.HeadCount = 2).AddRotary();
        builder.Options.InitializerRange = 0.4;
        return (block switch { "parallel" => builder.AddParallelBlock(), "sandwich" => builder.AddSandwichBlock(), "post_norm" => builder.AddPostNormBlock(), _ => builder }).Build();
    }
}
