using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public class RuleBasedAdapterTests
{
    [Fact]
    public void The_end_grows_likelier_what_was_said_less_and_shifts_are_added()
    {
        using var scope = NewDisposeScope();
        var filter = RuleBasedAdapter.Filter(new RuleBasedAdapterOptions { EndTokens = [0], EndBiasPerToken = 0.5, RepetitionPenalty = 2, Shifts = { [3] = -1.5 } });

        // Prompt 1 2; the answer so far is 4 4 1.
        var changed = filter(zeros(1, 5), tensor(new long[] { 1, 2, 4, 4, 1 }, [1, 5]), 2);

        Assert.Equal([1.5f, -2f, 0f, -1.5f, -2f], changed.data<float>().ToArray());
    }

    [Fact]
    public void Tokens_outside_the_vocabulary_and_options_out_of_range_are_refused()
    {
        using var scope = NewDisposeScope();
        var filter = RuleBasedAdapter.Filter(new RuleBasedAdapterOptions { EndTokens = [9] });
        Assert.Throws<ArgumentException>(() => filter(zeros(1, 5), zeros(1, 2, dtype: ScalarType.Int64), 2));
        Assert.Throws<ConfigurationException>(() => RuleBasedAdapter.Filter(new RuleBasedAdapterOptions { EndBiasPerToken = -1 }));
        Assert.Throws<ConfigurationException>(() => RuleBasedAdapter.Filter(new RuleBasedAdapterOptions { EndTokens = [1, -3] }));
        Assert.Throws<ConfigurationException>(() => RuleBasedAdapter.Filter(new RuleBasedAdapterOptions { Shifts = { [-1] = 1 } }));
        Assert.Throws<ConfigurationException>(() => RuleBasedAdapter.Filter(new RuleBasedAdapterOptions { Shifts = { [0] = 1, [2] = double.NaN } }));
    }
}
