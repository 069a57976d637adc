using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What reaches a cache from outside of the attention layer: edits at hook points, and its own tensors.</summary>
[NoTensorLeak]
public sealed class CacheFaultTests
{
    public static TheoryData<string, string> Edits => new()
    {
        { "v", "one mean for all" },
        { "k", "one column" },
        { "q", "fewer heads" },
        { "q", "narrower" },
        { "v", "another dtype" },
        { "k", "another dtype" },
    };

    [Theory]
    [MemberData(nameof(Edits))]
    public void An_edit_of_another_shape_or_dtype_is_refused_and_the_state_stays(string point, string edit)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model();
        foreach (var length in new[] { 1, 4, 12 })
        {
            using var state = (ModelState)model.NewState(2);
            var layer = state.Layers.OfType<KeyValueCache>().First();
            _ = model.call(Tokens(5), new SequenceContext(state));
            using (model.HookPoints[$"layers.0.mixer.{point}"].Attach(heads => Edited(heads, edit)))
            {
                // A column of a single token is as it should be.
                if (edit == "one column" && length == 1)
                    continue;
                var error = Assert.Throws<ArgumentException>(() => model.call(Tokens(length), new SequenceContext(state)));
                Assert.Contains("An edit at a hook point keeps shape, dtype and device", error.Message, StringComparison.Ordinal);
            }
            Assert.Equal((5, 5), (layer.Count, layer.Position));
        }
    }

    [Fact]
    public void A_state_restored_from_its_own_tensors_goes_on_as_before()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model();
        using var state = (ModelState)model.NewState(2);
        using var other = (ModelState)model.NewState(2);
        foreach (var one in new[] { state, other })
            _ = model.call(Tokens(5), new SequenceContext(one));
        state.Restore(state.Tensors, state.Position);
        Close.Check("the next token", model.call(Tokens(1), new SequenceContext(other)), model.call(Tokens(1), new SequenceContext(state)));
    }

    private static LanguageModel Model()
    {
        var model = new LanguageModelBuilder { VocabSize = 11, ModelDim = 16, LayerCount = 2 }
            .AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (4, 2)).AddRotary().Build();
        model.eval();
        return model;
    }

    private static Tensor Tokens(int length)
    {
        using var random = new Generator((ulong)length);
        return randint(0, 11, [2, length], generator: random, dtype: ScalarType.Int64);
    }

    private static Tensor Edited(Tensor heads, string edit) => edit switch
    {
        "one mean for all" => heads.mean([0L, 1L], keepdim: true),
        "one column" => heads.narrow(1, 0, 1),
        "fewer heads" => heads.narrow(2, 0, 3),
        "narrower" => heads.narrow(3, 0, 2),
        _ => heads.to(ScalarType.Float64),
    };
}
