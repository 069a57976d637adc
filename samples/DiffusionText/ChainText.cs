using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.DiffusionText;

/// <summary>The text of the experiment: a Markov chain of eight letters, whose truth is known exactly.</summary>
internal sealed class ChainText
{
    internal const int Length = 16;
    internal const int MaskId = 8;
    private const string File = "toy_chain_v8.safetensors";

    internal ChainText()
    {
        using var scope = NewDisposeScope();
        using var reader = new SafetensorsReader(Path.Combine(AppContext.BaseDirectory, File));
        Chain = new MarkovChain(reader.Read("P"), reader.Read("pi"));
        Judge = SampleJudge.Of(Chain, Length);
    }

    internal MarkovChain Chain { get; }

    internal SampleJudge Judge { get; }

    /// <summary>Clean rows (B, L), for training and as reference.</summary>
    internal Tensor Rows(long count, Generator random) => Chain.Sample(count, Length, random);
}
