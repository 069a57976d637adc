using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a mixer whose outputs may depend on later tokens: those of every mixer, and no state.</summary>
public abstract class BidirectionalMixerConformance : MixerConformance
{
    [Fact]
    public void State_is_refused_with_a_reason()
    {
        using var mixer = Make();

        Assert.False(mixer.Module.IsCausal);
        var error = Assert.Throws<NotSupportedException>(() => mixer.Module.NewState(1));
        Assert.Contains(mixer.Module.GetType().Name, error.Message, StringComparison.Ordinal);
        Assert.Contains(' ', error.Message);
    }

    [Fact]
    public void Earlier_outputs_see_later_tokens()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(1, Length, 1);
        var changed = x.clone();
        changed.narrow(1, Length - 1, 1).add_(1);

        var difference = (mixer.Module.call(changed, null) - mixer.Module.call(x, null)).narrow(1, 0, Length - 1);

        Assert.True(difference.abs().max().item<double>() > Tolerance, "No earlier output depends on the last token, yet the mixer says it is not causal.");
    }
}
