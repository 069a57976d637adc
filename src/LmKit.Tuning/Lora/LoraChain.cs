namespace LmKit;

/// <summary>The adapters around one base layer: what they stand on, and a number that moves when one of them may have changed.</summary>
internal sealed class LoraChain
{
    private readonly LoraChain[] within; // of adapters inside the base itself
    private long own;

    internal LoraChain(ILinear root)
    {
        Root = root;
        within = [.. ((TorchSharp.torch.nn.Module)root).modules().OfType<LoraLinear>().Select(adapter => adapter.Chain).Distinct()];
    }

    internal ILinear Root { get; }

    internal long Version => Interlocked.Read(ref own) + (within.Length == 0 ? 0 : within.Sum(chain => chain.Version));

    internal void Touch() => Interlocked.Increment(ref own);
}
